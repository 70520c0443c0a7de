import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { until } from './support/programs.ts';

const missing = await containersMissing();

/** Burns twice what it requests until somebody makes /tmp/calm. */
const burner = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: burner}
spec:
  replicas: 1
  selector: {matchLabels: {app: burner}}
  template:
    metadata: {labels: {app: burner}}
    spec:
      runtimeClassName: oci
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: ${busyboxImage}
        imagePullPolicy: Never
        command: [sh, -c, "while true; do if [ -e /tmp/calm ]; then sleep 1; fi; done"]
        resources: {requests: {cpu: 50m}, limits: {cpu: 100m}}
`;

const autoscaler = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: burner}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: burner}
  maxReplicas: 3
  metrics:
  - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
`;

const outside = `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: outside}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: idle}
  maxReplicas: 3
  metrics:
  - {type: External, external: {metric: {name: queue}, target: {type: Value, value: "1"}}}
`;

describe('a HorizontalPodAutoscaler', { timeout: 180_000 }, () => {
  test('follows the load of real containers up and down', { skip: missing ?? false }, async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['scaled'], { runtime: 'auto' });
    await cluster.apply(burner);
    await cluster.ok(['create', 'deployment', 'idle', '--image=none', '--replicas=1']);
    await cluster.readyPods('burner', 1);
    await cluster.apply(autoscaler);
    await cluster.apply(outside);
    const pods = await cluster.readyPods('burner', 3);
    const described = await cluster.ok(['describe', 'hpa', 'burner']);
    assert.match(
      described,
      /SuccessfulRescale .*New size: 3; reason: cpu resource utilization \(percentage of request\) above target/,
    );

    await until('the external metric is missed', async () =>
      /ScalingActive +False +FailedGetExternalMetric +the HPA was unable to compute the replica count: .*no external metrics API/.test(
        await cluster.ok(['describe', 'hpa', 'outside']),
      ),
    );
    for (const { name } of pods) await cluster.ok(['exec', name, '--', 'touch', '/tmp/calm']);
    await cluster.readyPods('burner', 1, 90_000);
    const conditions = await cluster.ok([
      'get',
      'hpa',
      'burner',
      '-o',
      'jsonpath={range .status.conditions[*]}{.type}={.status}/{.reason} {end}',
    ]);
    assert.match(
      conditions,
      /AbleToScale=True\/\w+ ScalingActive=True\/ValidMetricFound ScalingLimited=\w+\/\w+/,
    );
    assert.match(await cluster.ok(['get', 'hpa', 'burner']), /Deployment\/burner +cpu: \d+%\/60% +1 +3/);
    assert.match(
      await cluster.ok(['describe', 'hpa', 'burner']),
      /New size: 1; reason: All metrics below target/,
    );
  });
});
