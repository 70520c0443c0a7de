import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { until } from './support/programs.ts';

/** What a pod's author expects of probes, hooks, sidecars and ends, with the real kubectl and on each runtime. */
const noContainers = await containersMissing();
const runtimes = [
  { runtime: 'process', image: 'host', skip: undefined },
  { runtime: 'oci', image: busyboxImage, skip: noContainers },
] as const;

interface PodView {
  status: {
    phase: string;
    reason?: string;
    conditions: { type: string; status: string; reason?: string; lastTransitionTime?: string }[];
    containerStatuses: ContainerView[];
    initContainerStatuses?: ContainerView[];
  };
}
interface ContainerView {
  name: string;
  ready: boolean;
  started: boolean;
  restartCount: number;
  state: { terminated?: { message?: string; exitCode: number; reason: string }; running?: object };
  lastState: { terminated?: { exitCode: number } };
}

const stay = 'trap "exit 0" TERM; while true; do sleep 1 & wait $!; done';

describe('the life of a pod', { timeout: 300_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto' });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const apply = (name: string, spec: object, labels = {}) =>
    cluster.apply(
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, labels },
        spec: { terminationGracePeriodSeconds: 5, ...spec },
      }),
    );
  const get = (name: string) => cluster.json<PodView>(['get', 'pod', name]);
  const ready = ({ status }: PodView) => status.conditions?.find(({ type }) => type === 'Ready');
  const whenPod = (name: string, what: string, test_: (pod: PodView) => boolean) =>
    until(
      `${name}: ${what}`,
      async () => {
        const pod = await get(name);
        return test_(pod) ? pod : undefined;
      },
      { timeoutMs: 45_000, describe: () => cluster.ok(['describe', 'pod', name]) },
    );
  const events = (name: string) => cluster.ok(['events', '--for', `pod/${name}`]);

  for (const { runtime, image, skip } of runtimes) {
    const main = (script: string, more: object = {}) => ({
      name: 'main',
      image,
      imagePullPolicy: 'Never',
      command: ['sh', '-c', script],
      ...more,
    });
    const spec = (script: string, more: object = {}, podMore: object = {}) => ({
      runtimeClassName: runtime,
      containers: [main(script, more)],
      ...podMore,
    });
    const exec = (script: string) => ({ exec: { command: ['sh', '-c', script] } });

    describe(`on ${runtime}`, { skip: skip ?? false, concurrency: 6 }, () => {
      test('a failing readiness probe takes the pod out of Ready and restarts nothing', async () => {
        const name = `ready-${runtime}`;
        const readinessProbe = {
          ...exec('test -f ok'),
          periodSeconds: 1,
          timeoutSeconds: 5,
          failureThreshold: 1,
        };
        await apply(name, spec(`touch ok; ${stay}`, { readinessProbe }));
        await whenPod(name, 'Ready', (pod) => ready(pod)?.status === 'True');
        await cluster.ok(['exec', name, '--', 'rm', 'ok']);
        const out = await whenPod(name, 'not Ready', (pod) => ready(pod)?.status === 'False');
        assert.equal(ready(out)?.reason, 'ContainersNotReady');
        assert.equal(out.status.containerStatuses[0]?.restartCount, 0);
        assert.match(await events(name), /Unhealthy.*Readiness probe failed/);
        assert.match(await cluster.ok(['get', 'pod', name]), /0\/1 +Running +0/);
      });

      test('a failing liveness probe restarts the container', async () => {
        const name = `live-${runtime}`;
        const livenessProbe = {
          ...exec('test ! -f bad'),
          periodSeconds: 1,
          timeoutSeconds: 5,
          failureThreshold: 1,
        };
        await apply(name, spec(`rm -f bad; ${stay}`, { livenessProbe }));
        await whenPod(
          name,
          'running',
          ({ status }) => status.containerStatuses?.[0]?.state.running !== undefined,
        );
        await cluster.ok(['exec', name, '--', 'touch', 'bad']);
        await whenPod(name, 'restarted', ({ status }) => status.containerStatuses[0]?.restartCount === 1);
        await until('the event', async () =>
          /Killing.*Container main failed liveness probe, will be restarted/.test(await events(name)),
        );
      });

      test('preStop runs before the container is asked to end, within the grace period', async () => {
        const name = `hooks-${runtime}`;
        const lifecycle = {
          postStart: exec('echo hello > said'),
          preStop: exec('echo stopping > said; sleep 1'),
        };
        await apply(
          name,
          spec(`trap 'cat said; exit 0' TERM; while true; do sleep 1 & wait $!; done`, { lifecycle }),
        );
        await whenPod(name, 'Ready', (pod) => ready(pod)?.status === 'True');
        assert.match(await cluster.ok(['exec', name, '--', 'cat', 'said']), /hello/);
        const log = cluster.background(['logs', '-f', name]);
        await cluster.ok(['delete', 'pod', name]);
        await log.saying(/stopping/);
      });

      test('a sidecar starts first, stops last, and does not keep its pod from succeeding', async () => {
        const name = `side-${runtime}`;
        const startupProbe = { ...exec('true'), periodSeconds: 1, timeoutSeconds: 5 };
        const sidecar = { ...main(stay), name: 'side', restartPolicy: 'Always', startupProbe };
        await apply(name, spec('exit 0', {}, { restartPolicy: 'Never', initContainers: [sidecar] }));
        const { status } = await whenPod(name, 'Succeeded', (pod) => pod.status.phase === 'Succeeded');
        assert.ok(status.initContainerStatuses?.[0]?.state.terminated, 'the sidecar has ended');
        assert.equal(status.initContainerStatuses[0].restartCount, 0);
        assert.match(await cluster.ok(['get', 'pod', name]), /0\/2 +Completed/);
      });

      test('a pod that is over its deadline fails; a container leaves its last word', async () => {
        const name = `late-${runtime}`;
        const word = runtime === 'process' ? '$FLOTILLA_TERMINATION_LOG' : '/dev/termination-log';
        const said = `trap 'printf "too late" > ${word}; exit 7' TERM; while true; do sleep 1 & wait $!; done`;
        await apply(name, spec(said, {}, { activeDeadlineSeconds: 10 }));
        const { status } = await whenPod(name, 'Failed', (pod) => pod.status.phase === 'Failed');
        assert.equal(status.reason, 'DeadlineExceeded');
        const ended = status.containerStatuses[0]?.state.terminated;
        assert.deepEqual([ended?.message, ended?.exitCode, ended?.reason], ['too late', 7, 'Error']);
        assert.match(await cluster.ok(['describe', 'pod', name]), /Message: +too late/);
      });

      test('the end of the log is the last word where that is asked for', async () => {
        const name = `word-${runtime}`;
        const more = { terminationMessagePolicy: 'FallbackToLogsOnError' };
        await apply(name, spec('echo it broke; exit 3', more, { restartPolicy: 'Never' }));
        const { status } = await whenPod(name, 'Failed', (pod) => pod.status.phase === 'Failed');
        assert.match(status.containerStatuses[0]?.state.terminated?.message ?? '', /it broke/);
      });

      test('kubectl debug looks into a running pod, which does not restart', async () => {
        const name = `debug-${runtime}`;
        await apply(name, spec(stay));
        await whenPod(name, 'Ready', (pod) => ready(pod)?.status === 'True');
        const look = 'cat /proc/1/cmdline; echo; echo looked';
        const debug = [
          'debug',
          name,
          `--image=${image}`,
          '--image-pull-policy=Never',
          '--target=main',
          '-c',
          'look',
        ];
        await cluster.ok([...debug, '--attach=false', '--', 'sh', '-c', look]);
        const log = await until('its log', async () => {
          const { stdout } = await cluster.kubectl(['logs', name, '-c', 'look']);
          return stdout.includes('looked') ? stdout : undefined;
        });
        if (runtime === 'oci')
          assert.match(log, /trap "exit 0" TERM/, 'it sees the first process of its target');
        const { status } = await get(name);
        assert.deepEqual([status.phase, status.containerStatuses[0]?.restartCount], ['Running', 0]);
        await cluster.ok(['delete', 'pod', name, '--grace-period=1']);
      });
    });
  }

  test('a bad rollout stops because of readiness, and rollout status says so', async () => {
    const rollout = (probe: string) =>
      JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'roll' },
        spec: {
          replicas: 2,
          progressDeadlineSeconds: 6,
          selector: { matchLabels: { app: 'roll' } },
          template: {
            metadata: { labels: { app: 'roll' } },
            spec: {
              runtimeClassName: 'process',
              terminationGracePeriodSeconds: 2,
              containers: [
                {
                  name: 'main',
                  image: 'host',
                  command: ['sh', '-c', stay],
                  readinessProbe: { exec: { command: [probe] }, periodSeconds: 1 },
                },
              ],
            },
          },
        },
      });
    await cluster.apply(rollout('true'));
    await cluster.ok(['rollout', 'status', 'deployment/roll', '--timeout=40s']);
    await cluster.apply(rollout('false'));
    const { code, stderr } = await cluster.kubectl(['rollout', 'status', 'deployment/roll', '--timeout=40s']);
    assert.notEqual(code, 0);
    assert.match(stderr, /exceeded its progress deadline/);
    const pods = await cluster.pods('roll');
    assert.equal(pods.filter((pod) => pod.ready).length, 2, 'the old ones serve on');
  });

  test('a killed agent finds probed pods with sidecars as they were: same processes, Ready all the time', async () => {
    const kept = runtimes.filter(({ skip }) => skip === undefined);
    const check = { exec: { command: ['true'] }, periodSeconds: 1, timeoutSeconds: 5 };
    const facts = async (name: string) => {
      const { status } = await get(name);
      return {
        ready: status.conditions.find(({ type }) => type === 'Ready'),
        containers: [...status.containerStatuses, ...(status.initContainerStatuses ?? [])],
      };
    };
    for (const { runtime, image } of kept) {
      const base = { image, imagePullPolicy: 'Never', command: ['sh', '-c', stay] };
      const lifecycle = { postStart: { exec: { command: ['true'] } } };
      const main = { ...base, name: 'main', lifecycle, readinessProbe: check, livenessProbe: check };
      const side = { ...base, name: 'side', restartPolicy: 'Always', startupProbe: check };
      await apply(`kept-${runtime}`, {
        runtimeClassName: runtime,
        initContainers: [side],
        containers: [main],
      });
    }
    for (const { runtime } of kept)
      await whenPod(`kept-${runtime}`, 'Ready', (pod) => ready(pod)?.status === 'True');
    const before = await Promise.all(kept.map(({ runtime }) => facts(`kept-${runtime}`)));
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.startAgent('one', { runtime: 'auto' });
    // Once it has brought up and probed another pod, it has also looked at these.
    const later = { image: 'host', name: 'main', command: ['sh', '-c', stay], readinessProbe: check };
    await apply('later', { runtimeClassName: 'process', containers: [later] });
    await whenPod('later', 'Ready', (pod) => ready(pod)?.status === 'True');
    assert.deepEqual(await Promise.all(kept.map(({ runtime }) => facts(`kept-${runtime}`))), before);
  });
});
