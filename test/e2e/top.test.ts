import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { until } from './support/programs.ts';

const missing = await containersMissing();
/** Limits are 100m and 200m; a busy machine gives less. */
const busyMillisMin = 20;
const busy = 'while true; do :; done';

function burner(
  name: string,
  { runtime, image, cpu }: { runtime: string; image: string; cpu: string },
): string {
  return `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: burner}}
spec:
  runtimeClassName: ${runtime}
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: ${image}
    imagePullPolicy: Never
    command: [sh, -c, "${busy}"]
    resources: {limits: {cpu: ${cpu}}}
  - {name: idle, image: ${image}, imagePullPolicy: Never, command: [sleep, "1000"]}
---`;
}

describe('kubectl top', { timeout: 120_000 }, () => {
  test('shows what containers and processes use, and what nodes do', {
    skip: missing ?? false,
  }, async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['metered'], { runtime: 'auto' });
    await cluster.apply(burner('contained', { runtime: 'oci', image: busyboxImage, cpu: '200m' }));
    await cluster.apply(burner('process', { runtime: 'process', image: 'host', cpu: '100m' }));
    await cluster.readyPods('burner', 2);

    const millis = (text: string) => Number(/(\d+)m/.exec(text)?.[1]);
    const rows = async (args: readonly string[]) =>
      (await cluster.ok(['top', ...args, '--no-headers']))
        .trim()
        .split('\n')
        .map((row) => row.split(/ +/));
    await until(
      'the figures settle',
      async () => {
        const shown = (await rows(['pods', '--sort-by=cpu'])).map(([, cpu]) => millis(cpu ?? ''));
        const [most = 0, least = 0] = shown;
        return shown.length === 2 && most >= least && least > busyMillisMin;
      },
      { timeoutMs: 60_000 },
    );
    const containers = await rows(['pods', '--containers', '-l', 'app=burner']);
    const cpuOf = (pod: string, name: string) =>
      millis(containers.find(([of, container]) => of === pod && container === name)?.[2] ?? '');
    const ofContained = cpuOf('contained', 'main');
    const ofProcess = cpuOf('process', 'main');
    assert.ok(ofContained > busyMillisMin && ofContained < 260, JSON.stringify(containers));
    assert.ok(ofProcess > busyMillisMin && ofProcess < 140, JSON.stringify(containers));
    assert.ok(cpuOf('contained', 'idle') < busyMillisMin && cpuOf('process', 'idle') < busyMillisMin);

    const [[node, cpu, share] = []] = await rows(['nodes']);
    assert.equal(node, 'metered');
    assert.ok(millis(cpu ?? '') > 0 && share?.endsWith('%'), `${cpu} ${share}`);
    assert.match(
      await cluster.ok(['api-resources', '--api-group=metrics.k8s.io']),
      /NodeMetrics\n.*PodMetrics/,
    );
    const view = ['auth', 'can-i', 'list', 'pods.metrics.k8s.io', '--as=anna'];
    assert.equal((await cluster.kubectl(view)).stdout.trim(), 'no');
    await cluster.ok(['create', 'rolebinding', 'anna', '--clusterrole=view', '--user=anna']);
    assert.equal((await cluster.ok(view)).trim(), 'yes');

    const proxied = (path: string) => cluster.ok(['get', '--raw', `/api/v1/nodes/metered/proxy/${path}`]);
    const summary = JSON.parse(await proxied('stats/summary')) as {
      node: { nodeName: string; cpu: { usageNanoCores: number }; fs: { capacityBytes: number } };
      pods: {
        podRef: { name: string };
        containers: { name: string; memory: { workingSetBytes: number } }[];
      }[];
    };
    assert.ok(summary.node.nodeName === 'metered' && summary.node.cpu.usageNanoCores > 0);
    assert.deepEqual(summary.pods.map(({ podRef }) => podRef.name).sort(), ['contained', 'process']);
    assert.ok(
      summary.pods.every(({ containers }) => containers.every(({ memory }) => memory.workingSetBytes > 0)),
    );
    assert.match(
      await proxied('metrics/resource'),
      /^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="contained"\} \d/m,
    );
    assert.match(await proxied('metrics/cadvisor'), /^container_network_receive_bytes_total\{/m);
    assert.match(await proxied('metrics'), /^flotilla_agent_written_bytes_total \d+$/m);

    // Of a device that is gone there are no figures, and the rest of the list does not wait for it.
    await cluster.agents.get('metered')?.kill('SIGKILL');
    await cluster.waitForNode('metered', 'Unknown');
    const { code, stderr } = await cluster.kubectl(['top', 'pod', 'process']);
    assert.equal(code, 1);
    assert.match(stderr, /NotFound.*podmetrics.metrics.k8s.io "default\/process" not found/);
    await cluster.startAgent('metered');
    await cluster.waitForNode('metered', 'True');
  });
});
