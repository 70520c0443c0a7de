import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { eventKind } from '../../../../protocol/kinds/event.ts';
import { eventV1Kind } from '../../../../protocol/kinds/event-v1.ts';
import { horizontalPodAutoscalerKind } from '../../../../protocol/kinds/horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerV1Kind } from '../../../../protocol/kinds/horizontal-pod-autoscaler-v1.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { sampleOf } from '../../../support/kind-samples.ts';
import { admit, faults } from './admit.ts';

const views = kinds.flatMap(({ view, ...kind }) => (view ? [{ ...kind, view }] : []));

test('what a view reads and writes back unchanged is unchanged', () => {
  const metric = fc.oneof(
    fc.record({ averageUtilization: fc.integer({ min: 1, max: 100 }) }).map((target) => ({
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', ...target } },
    })),
    fc.constantFrom('cpu', 'memory').map((name) => ({
      type: 'Resource',
      resource: { name, target: { type: 'AverageValue', averageValue: '1' } },
    })),
    fc.constant({
      type: 'Pods',
      pods: { metric: { name: 'm' }, target: { type: 'AverageValue', averageValue: '1' } },
    }),
  );
  const cpuFirst = (one: object) => Number(!JSON.stringify(one).includes('averageUtilization'));
  const autoscaler = fc.record(
    {
      spec: fc.record({
        maxReplicas: fc.nat(9),
        scaleTargetRef: fc.constant({ kind: 'Deployment', name: 'web' }),
        metrics: fc
          .uniqueArray(metric, { minLength: 1, selector: (one) => JSON.stringify(one) })
          .map((list) => list.sort((a, b) => cpuFirst(a) - cpuFirst(b))),
      }),
      metadata: fc.record(
        { name: fc.constant('web'), annotations: fc.constant({ note: 'x' }) },
        { requiredKeys: ['name'] },
      ),
      status: fc.constant({
        currentReplicas: 1,
        desiredReplicas: 2,
        conditions: [{ type: 'AbleToScale', status: 'True' }],
      }),
    },
    { requiredKeys: ['spec', 'metadata', 'status'] },
  );
  const { view } = horizontalPodAutoscalerV1Kind;
  assert.ok(view);
  fc.assert(
    fc.property(autoscaler, (object) => {
      const plain = JSON.stringify(object);
      const seen = view.fromStored(JSON.parse(plain) as KubernetesObject);
      assert.deepEqual(view.toStored(seen as never), JSON.parse(plain));
    }),
    { numRuns: 50 },
  );
  const event = admit(eventKind, {
    metadata: { name: 'e', namespace: 'default' },
    involvedObject: { kind: 'Pod', name: 'p', namespace: 'default' },
    message: 'm',
    source: { component: 'c' },
    firstTimestamp: '1970-01-01T00:00:00Z',
    count: 3,
  });
  const events = eventV1Kind.view;
  assert.deepEqual(events?.toStored(events.fromStored(structuredClone(event))), event);
});

test('every view survives an object without anything', () => {
  assert.ok(views.length >= 2);
  for (const { view, columns, selectableFields } of views) {
    const seen = view.fromStored({ metadata: {} });
    for (const column of columns) assert.notEqual(column.value(seen, 0), undefined);
    for (const read of Object.values(selectableFields)) assert.equal(typeof read(seen), 'string');
    assert.deepEqual(view.toStored({ metadata: {} }).metadata, {});
  }
});

test('the first version of the autoscaler shows its one metric, and keeps the rest in annotations', () => {
  const { view } = horizontalPodAutoscalerV1Kind;
  const stored = { metadata: { name: 'web' }, ...sampleOf(horizontalPodAutoscalerKind) };
  const seen = view?.fromStored(stored) as {
    metadata?: { annotations?: Record<string, string> };
    spec?: object;
  };
  assert.deepEqual(Object.keys(seen.metadata?.annotations ?? {}), [
    'autoscaling.alpha.kubernetes.io/metrics',
    'autoscaling.alpha.kubernetes.io/behavior',
  ]);
  assert.ok(!('metrics' in (seen.spec ?? {})));
});

test('an autoscaler without metrics watches the CPU', () => {
  const object = {
    metadata: { name: 'web', namespace: 'here' },
    spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'web' }, behavior: { scaleUp: {} } },
  };
  const { spec } = admit(horizontalPodAutoscalerKind, object);
  assert.deepEqual(spec?.metrics, [
    { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
  ]);
  assert.equal(spec?.minReplicas, 1);
  assert.equal(spec?.behavior?.scaleUp?.stabilizationWindowSeconds, 0);
  assert.equal(spec?.behavior?.scaleDown?.policies?.[0]?.value, 100);
});

test('an autoscaler that can do nothing is refused', () => {
  const metrics = [{ type: 'Pods', resource: { name: '', target: { type: 'Utilization' } } }];
  const spec = { minReplicas: 0, maxReplicas: 0, scaleTargetRef: { kind: '', name: 'web' }, metrics };
  assert.deepEqual(
    faults(horizontalPodAutoscalerKind, { metadata: { name: 'web', namespace: 'here' }, spec }),
    [
      'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1',
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      'spec.scaleTargetRef.kind: Required value',
      'spec.metrics[0].resource: Forbidden: must populate the given metric source only',
      'spec.metrics[0].pods: Required value: must populate information for the given metric source',
    ],
  );
});
