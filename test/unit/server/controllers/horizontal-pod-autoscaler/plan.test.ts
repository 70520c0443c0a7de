import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type {
  Autoscalingv2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  Pod,
} from '../../../../../protocol/generated/models.ts';
import { horizontalPodAutoscalerKind } from '../../../../../protocol/kinds/horizontal-pod-autoscaler.ts';
import {
  noteChange,
  type ScalingHistory,
} from '../../../../../server/controllers/horizontal-pod-autoscaler/limit-change.ts';
import type { MetricReading } from '../../../../../server/controllers/horizontal-pod-autoscaler/metric-reading.ts';
import {
  type AutoscalerFacts,
  planAutoscaler,
  withConditions,
} from '../../../../../server/controllers/horizontal-pod-autoscaler/plan.ts';

const nowMs = Date.UTC(2026, 5, 1);
const noHistory: ScalingHistory = { recommendations: [], ups: [], downs: [] };
const cpu = (averageUtilization: number): MetricSpec => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

function autoscaler(spec: Partial<HorizontalPodAutoscaler['spec']> = {}): HorizontalPodAutoscaler {
  const made: HorizontalPodAutoscaler = {
    metadata: { name: 'h', namespace: 'default' },
    spec: {
      scaleTargetRef: { kind: 'Deployment', name: 'd' },
      minReplicas: 1,
      maxReplicas: 10,
      metrics: [cpu(50)],
      ...spec,
    },
  };
  horizontalPodAutoscalerKind.applyDefaults?.(made);
  return made;
}

type PodSpecial = 'pending' | 'failed' | 'going' | 'starting' | 'unmeasured';

/** Pods that request 100m, each using so many thousandths of a core. */
function pods(uses: readonly (number | PodSpecial)[]): { pods: Pod[]; reading: MetricReading } {
  const readings = new Map<string, { value: number; timestampMs: number; windowMs: number }>();
  const made = uses.map((use, index): Pod => {
    const name = `p${index}`;
    const isReady = use !== 'starting' && use !== 'pending';
    const value = typeof use === 'number' ? use : 100;
    if (use !== 'unmeasured' && use !== 'pending')
      readings.set(name, { value, timestampMs: nowMs, windowMs: 15_000 });
    return {
      metadata: {
        name,
        ...(use === 'going' ? { deletionTimestamp: new Date(nowMs).toISOString() } : {}),
      },
      spec: { containers: [{ name: 'main', resources: { requests: { cpu: '100m' } } }] },
      status: {
        phase: use === 'pending' ? 'Pending' : use === 'failed' ? 'Failed' : 'Running',
        startTime: new Date(nowMs - 3_600_000 * (use === 'starting' ? 0.01 : 1)).toISOString(),
        conditions: [
          {
            type: 'Ready',
            status: isReady ? 'True' : 'False',
            lastTransitionTime: new Date(nowMs - 1_800_000).toISOString(),
          },
        ],
      },
    };
  });
  return { pods: made, reading: { pods: readings } };
}

function plan(
  uses: readonly (number | PodSpecial)[],
  { spec = {}, ...more }: { spec?: Partial<HorizontalPodAutoscaler['spec']> } & Partial<AutoscalerFacts> = {},
) {
  const { pods: made, reading } = pods(uses);
  const currentReplicas = more.currentReplicas ?? uses.length;
  return planAutoscaler({
    autoscaler: autoscaler(spec),
    pods: made,
    readings: (spec.metrics ?? [cpu(50)]).map(() => reading),
    history: noHistory,
    nowMs,
    ...more,
    currentReplicas,
  });
}

const reasonsOf = ({ conditions }: ReturnType<typeof plan>) =>
  Object.fromEntries(
    withConditions([], conditions, nowMs).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
  );

describe('what the load asks for', () => {
  for (const [title, uses, wanted] of [
    ['twice the load asks for twice the pods', [100, 100], 4],
    ['within a tenth nothing is done', [52, 54], 2],
    ['pods that fail or leave do not count', [100, 'failed', 'going'], 3],
    ['a pod without a figure uses nothing when there is more load', [100, 'unmeasured'], 2],
    ['a pod without a figure uses all it asked for when there is less load', [10, 10, 'unmeasured'], 3],
    ['a pod that is not yet working is taken to use nothing when there is more load', [150, 'starting'], 3],
    ['pending pods alone give no figure to go by', ['pending'], undefined],
  ] as const)
    test(title, () => {
      const { desiredReplicas } = plan(uses, { currentReplicas: uses.length });
      assert.equal(desiredReplicas, wanted);
    });

  test('less load asks for fewer, once nothing in five minutes asked for more', () => {
    const earlier = (atMs: number, replicas: number): ScalingHistory => ({
      ...noHistory,
      recommendations: [{ atMs, replicas }],
    });
    const held = plan([10, 10, 10, 10], { history: earlier(nowMs - 299_000, 3) });
    assert.equal(held.desiredReplicas, 3);
    assert.equal(reasonsOf(held)['AbleToScale'], 'True ScaleDownStabilized');
    const free = plan([10, 10, 10, 10], { history: earlier(nowMs - 301_000, 3) });
    assert.equal(free.desiredReplicas, 1);
    assert.equal(free.rescale, 'All metrics below target');
  });

  test('a first look does not take pods away: what there is counts as asked for', () => {
    assert.equal(plan([1, 1, 1, 1]).desiredReplicas, 4);
  });

  test('the status tells the share of the requests and the average', () => {
    const { metrics, conditions, rescale } = plan([100, 50]);
    assert.deepEqual(metrics, [
      {
        type: 'Resource',
        resource: { name: 'cpu', current: { averageUtilization: 75, averageValue: '75m' } },
      },
    ]);
    assert.equal(rescale, 'cpu resource utilization (percentage of request) above target');
    assert.match(
      conditions[1]?.message ?? '',
      /^the HPA was able to successfully calculate a replica count from/,
    );
  });
});

describe('ranges and conditions', () => {
  test('outside its range it is brought in without looking at metrics', () => {
    const above = plan([], { currentReplicas: 12 });
    assert.deepEqual(
      [above.desiredReplicas, above.rescale],
      [10, 'Current number of replicas above Spec.MaxReplicas'],
    );
    const below = plan([], { currentReplicas: 1, spec: { minReplicas: 3 } });
    assert.deepEqual(
      [below.desiredReplicas, below.rescale],
      [3, 'Current number of replicas below Spec.MinReplicas'],
    );
  });

  test('a target that somebody set to zero stays there', () => {
    const stopped = plan([], { currentReplicas: 0 });
    assert.deepEqual([stopped.desiredReplicas, stopped.rescale], [0, undefined]);
    assert.equal(reasonsOf(stopped)['ScalingActive'], 'False ScalingDisabled');
  });

  test('more than the range or the rate allows is cut, and the condition says which', () => {
    assert.equal(reasonsOf(plan([400, 400, 400]))['ScalingLimited'], 'True ScaleUpLimit');
    assert.equal(plan([400, 400, 400]).desiredReplicas, 6);
    const most = plan([400, 400, 400], { spec: { maxReplicas: 5 } });
    assert.deepEqual([most.desiredReplicas, reasonsOf(most)['ScalingLimited']], [5, 'True TooManyReplicas']);
    const few = plan([1, 1], {
      spec: { minReplicas: 2 },
      history: { ...noHistory, recommendations: [{ atMs: 0, replicas: 1 }] },
    });
    assert.deepEqual([few.desiredReplicas, reasonsOf(few)['ScalingLimited']], [2, 'True TooFewReplicas']);
  });

  test('a metric that cannot be read never takes pods away, nor hides one that asks for more', () => {
    const two = { metrics: [cpu(50), cpu(50)] };
    const broken: MetricReading = { error: 'unable to get metrics for resource cpu: gone' };
    const { reading } = pods([100, 100]);
    const more = plan([100, 100], { spec: two, readings: [broken, reading] });
    assert.equal(more.desiredReplicas, 4);
    assert.deepEqual(more.warnings, [
      {
        reason: 'FailedGetResourceMetric',
        message: 'failed to get cpu utilization: unable to get metrics for resource cpu: gone',
      },
    ]);
    const calm = pods([10, 10]).reading;
    const less = plan([10, 10], { spec: two, readings: [broken, calm] });
    assert.equal(less.desiredReplicas, undefined);
    assert.equal(reasonsOf(less)['ScalingActive'], 'False FailedGetResourceMetric');
    assert.match(
      less.warnings.at(-1)?.message ?? '',
      /^invalid metrics \(1 invalid out of 2\), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable/,
    );
  });

  test('a pod without a request is told by name', () => {
    const { pods: made, reading } = pods([100]);
    for (const pod of made) pod.spec = { containers: [{ name: 'main' }] };
    const { warnings } = plan([100], { pods: made, readings: [reading] });
    assert.equal(
      warnings[0]?.message,
      'failed to get cpu utilization: missing request for cpu in container main of Pod p0',
    );
  });

  test('a time moves only with the status', () => {
    const before = withConditions(
      [],
      [{ type: 'ScalingActive', status: 'True', reason: 'A', message: '' }],
      0,
    );
    const same = withConditions(
      before,
      [{ type: 'ScalingActive', status: 'True', reason: 'B', message: '' }],
      nowMs,
    );
    assert.deepEqual([same[0]?.reason, same[0]?.lastTransitionTime], ['B', '1970-01-01T00:00:00Z']);
  });
});

describe('other metrics', () => {
  const metric = { name: 'queue' };
  const describedObject = { kind: 'Service', name: 's' };
  for (const [title, spec, reading, wanted, current] of [
    [
      'pods: the average of what each says',
      { type: 'Pods', pods: { metric, target: { type: 'AverageValue', averageValue: '50m' } } },
      pods([100, 100]).reading,
      4,
      { averageValue: '100m' },
    ],
    [
      'an object: its value against the target, spread over the ready pods',
      { type: 'Object', object: { metric, describedObject, target: { type: 'Value', value: '10' } } },
      { value: 15_000 },
      3,
      { value: '15' },
    ],
    [
      'an object: a share for each pod',
      {
        type: 'Object',
        object: { metric, describedObject, target: { type: 'AverageValue', averageValue: '4' } },
      },
      { value: 16_000 },
      4,
      { averageValue: '8' },
    ],
    [
      'outside the cluster: the sum',
      { type: 'External', external: { metric, target: { type: 'AverageValue', averageValue: '6' } } },
      { value: 16_000 },
      3,
      { averageValue: '8' },
    ],
  ] as const)
    test(title, () => {
      const result = plan([1, 1], { spec: { metrics: [spec] }, readings: [reading] });
      assert.equal(result.desiredReplicas, wanted);
      assert.deepEqual(
        JSON.parse(JSON.stringify(result.metrics)).map(
          (status: object) => 'current' in Object.values(status)[1] && Object.values(status)[1].current,
        ),
        [current],
      );
    });

  test('without a server for them the condition says so', () => {
    const spec: MetricSpec = {
      type: 'External',
      external: { metric, target: { type: 'Value', value: '1' } },
    };
    const result = plan([1], { spec: { metrics: [spec] }, readings: [{ error: 'no such API' }] });
    assert.equal(reasonsOf(result)['ScalingActive'], 'False FailedGetExternalMetric');
  });
});

describe('behaviour', () => {
  const policy = (type: string, value: number, periodSeconds = 60) => ({ type, value, periodSeconds });
  const withUp = (scaleUp: HPAScalingRules) => ({ maxReplicas: 100, behavior: { scaleUp } });
  const withDown = (scaleDown: HPAScalingRules) => ({ maxReplicas: 100, behavior: { scaleDown } });
  const calm = Array.from({ length: 20 }, () => 1);

  test('policies: the largest change wins unless the smallest is chosen or none is allowed', () => {
    const policies = [policy('Pods', 3), policy('Percent', 50)];
    const up = (rules: HPAScalingRules) => plan([500, 500, 500, 500], { spec: withUp(rules) });
    assert.equal(up({ policies }).desiredReplicas, 7);
    assert.equal(up({ policies, selectPolicy: 'Min' }).desiredReplicas, 6);
    const none = up({ policies, selectPolicy: 'Disabled' });
    assert.deepEqual([none.desiredReplicas, none.rescale], [4, undefined]);
    assert.equal(reasonsOf(none)['ScalingLimited'], 'True ScaleUpLimit');
    const down = (rules: HPAScalingRules) =>
      plan(calm, { spec: withDown({ stabilizationWindowSeconds: 0, ...rules }) }).desiredReplicas;
    assert.equal(down({ policies }), 10);
    assert.equal(down({ policies, selectPolicy: 'Min' }), 17);
    assert.equal(down({ policies, selectPolicy: 'Disabled' }), 20);
  });

  test('a policy counts what was changed within its period', () => {
    const history = noteChange(noHistory, 2, 4, nowMs - 30_000);
    const spec = withUp({ policies: [policy('Pods', 3)] });
    assert.equal(plan([500, 500, 500, 500], { spec, history }).desiredReplicas, 5);
    assert.equal(plan([500, 500, 500, 500], { spec, history, nowMs: nowMs + 31_000 }).desiredReplicas, 7);
  });

  test('a window of its own holds scaling up back to the lowest it was asked', () => {
    const spec = withUp({ stabilizationWindowSeconds: 60 });
    const history = { ...noHistory, recommendations: [{ atMs: nowMs - 30_000, replicas: 3 }] };
    const held = plan([500, 500], { spec, history });
    assert.equal(held.desiredReplicas, 3);
    assert.equal(reasonsOf(held)['AbleToScale'], 'True ScaleUpStabilized');
  });

  test('a tolerance for each direction', () => {
    assert.equal(plan([58, 58, 58, 58], { spec: withUp({ tolerance: '200m' }) }).desiredReplicas, 4);
    assert.equal(plan([58, 58, 58, 58], { spec: withUp({ tolerance: '100m' }) }).desiredReplicas, 5);
  });
});

test('property: the result is within the range, and more load never gives fewer pods', () => {
  const use = fc.oneof(
    fc.integer({ min: 0, max: 400 }),
    fc.constantFrom<PodSpecial>('pending', 'failed', 'going', 'starting', 'unmeasured'),
  );
  const rules = fc.record(
    {
      selectPolicy: fc.constantFrom('Max', 'Min', 'Disabled'),
      stabilizationWindowSeconds: fc.integer({ min: 0, max: 600 }),
      policies: fc.array(
        fc.record({
          type: fc.constantFrom('Pods', 'Percent'),
          value: fc.integer({ min: 1, max: 200 }),
          periodSeconds: fc.integer({ min: 1, max: 600 }),
        }),
        { minLength: 1, maxLength: 3 },
      ),
    },
    { requiredKeys: ['policies'] },
  );
  const behavior = fc.option(fc.record({ scaleUp: rules, scaleDown: rules }), { nil: undefined });
  const recommendations = fc.array(
    fc.record({
      atMs: fc.integer({ min: nowMs - 700_000, max: nowMs }),
      replicas: fc.integer({ min: 1, max: 20 }),
    }),
    { maxLength: 5 },
  );
  const situation = fc.record({
    uses: fc.array(use, { minLength: 1, maxLength: 8 }),
    behavior,
    recommendations,
    min: fc.integer({ min: 1, max: 4 }),
    span: fc.integer({ min: 0, max: 8 }),
  });
  fc.assert(
    fc.property(situation, ({ uses, behavior: rulesOfUser, recommendations: before, min, span }) => {
      const max = min + span;
      const spec = {
        minReplicas: min,
        maxReplicas: max,
        ...(rulesOfUser ? { behavior: rulesOfUser } : {}),
      };
      const history = { ...noHistory, recommendations: before };
      const base = plan(uses, { spec, history }).desiredReplicas;
      if (base !== undefined) assert.ok(base >= min && base <= max, `${base} not in ${min}..${max}`);
      const heavier = uses.map((one) => (typeof one === 'number' ? one + 50 : one));
      const next = plan(heavier, { spec, history }).desiredReplicas;
      if (base !== undefined && next !== undefined) assert.ok(next >= base, `${next} after ${base}`);
    }),
    { numRuns: 400 },
  );
});
