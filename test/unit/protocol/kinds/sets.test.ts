import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonSetSpec, StatefulSetSpec } from '../../../../protocol/generated/models.ts';
import { daemonSetKind } from '../../../../protocol/kinds/daemon-set.ts';
import { replicationControllerKind } from '../../../../protocol/kinds/replication-controller.ts';
import { statefulSetKind } from '../../../../protocol/kinds/stateful-set.ts';
import { admit, faults, updateFaults } from './admit.ts';

const metadata = { name: 'web', namespace: 'here' };
const selector = { matchLabels: { app: 'web' } };
const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'a', image: 'a:1', volumeMounts: [{ name: 'data', mountPath: '/data' }] }] },
};
const claim = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
};
const stateful = (spec: Partial<StatefulSetSpec> = {}) => ({
  metadata,
  spec: { serviceName: 'web', selector, template, volumeClaimTemplates: [claim], ...spec },
});

test('a stateful set starts in order, and keeps its claims', () => {
  const {
    template: _template,
    selector: _selector,
    volumeClaimTemplates,
    ...rest
  } = admit(statefulSetKind, stateful()).spec ?? assert.fail();
  assert.deepEqual(rest, {
    serviceName: 'web',
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    replicas: 1,
    revisionHistoryLimit: 10,
  });
  assert.equal(volumeClaimTemplates?.[0]?.spec?.volumeMode, 'Filesystem');
  assert.equal(volumeClaimTemplates?.[0]?.kind, 'PersistentVolumeClaim');
});

test("a stateful set's containers mount its claims, and nothing that is not there", () => {
  assert.deepEqual(faults(statefulSetKind, stateful()), []);
  assert.deepEqual(faults(statefulSetKind, stateful({ volumeClaimTemplates: [] })), [
    'spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"',
  ]);
});

test('of a stateful set only what the controller can carry over may change', () => {
  const change = (fields: object) =>
    updateFaults(statefulSetKind, stateful(), ({ spec }) => Object.assign(spec ?? {}, fields));
  assert.deepEqual(change({ replicas: 3, minReadySeconds: 5 }), []);
  assert.equal(change({ serviceName: 'b' }).length, 1);
  assert.equal(change({ podManagementPolicy: 'Parallel' }).length, 1);
});

test('strategies that cannot be are refused', () => {
  const strategy = (updateStrategy: object) => faults(statefulSetKind, stateful({ updateStrategy }));
  assert.deepEqual(strategy({ type: 'Never' }), [
    'spec.updateStrategy: Invalid value: {"Type":"Never","RollingUpdate":null}: must be \'RollingUpdate\' or \'OnDelete\'',
  ]);
  assert.deepEqual(strategy({ type: 'OnDelete', rollingUpdate: { partition: 1 } }), [
    'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy \'RollingUpdate\'',
  ]);
  const { volumeMounts: _, ...container } = template.spec.containers[0] ?? assert.fail();
  const daemon = (rollingUpdate: object) => {
    const spec: DaemonSetSpec = {
      selector,
      template: { ...template, spec: { containers: [container] } },
      updateStrategy: { rollingUpdate },
    };
    return faults(daemonSetKind, { metadata, spec });
  };
  assert.deepEqual(daemon({}), []);
  assert.deepEqual(daemon({ maxSurge: '10%', maxUnavailable: 0 }), []);
  assert.deepEqual(daemon({ maxSurge: 1 }), [
    'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
  ]);
  assert.deepEqual(daemon({ maxUnavailable: 0 }), [
    'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
  ]);
});

test('a replication controller that names no labels takes those of its template', () => {
  const { volumeMounts: _, ...container } = template.spec.containers[0] ?? assert.fail();
  const spec = { template: { ...template, spec: { containers: [container] } } };
  const made = admit(replicationControllerKind, { metadata, spec });
  assert.deepEqual(made.spec?.selector, { app: 'web' });
  assert.deepEqual(made.metadata?.labels, { app: 'web' });
  assert.deepEqual(faults(replicationControllerKind, { metadata, spec }), []);
});
