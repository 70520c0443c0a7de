import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../lib/clock.ts';
import { forEachLimited } from '../lib/for-each-limited.ts';
import { silentLogger } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import type { Pod } from '../protocol/generated/models.ts';
import { daemonSetKind } from '../protocol/kinds/daemon-set.ts';
import { deploymentKind } from '../protocol/kinds/deployment.ts';
import { fixedKinds } from '../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../protocol/kinds/namespace.ts';
import { nodeKind } from '../protocol/kinds/node.ts';
import { podKind } from '../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../protocol/kinds/pod-disruption-budget.ts';
import { kinds } from '../protocol/kinds/registry.ts';
import { storedMeta, timestamp } from '../protocol/kinds/stored-object.ts';
import { createAdmission } from '../server/admission/create-admission.ts';
import { toleratingSilence } from '../server/admission/plugins/default-toleration-seconds.ts';
import { createCache } from '../server/cache/create-cache.ts';
import { controllers } from '../server/controllers/registry.ts';
import { runControllers } from '../server/controllers/run-controllers.ts';
import { createRegistry } from '../server/registry/create-registry.ts';
import { createEventRecorder } from '../server/registry/event-recorder.ts';
import type { Registry } from '../server/registry/registry.ts';
import { schedulerPlugins } from '../server/scheduler/registry.ts';
import { startScheduler } from '../server/scheduler/scheduler.ts';
import { openLevelStore } from '../server/store/level-store.ts';

/**
 * What the controllers cost, by the size of the fleet: all of them run, with the scheduler, over a durable store and
 * hollow devices, ten pods on each: a DaemonSet on all, a Deployment with as many replicas as there are nodes, under a
 * PodDisruptionBudget in the same namespace, and Deployments of a hundred. CPU is of the whole process, the writes that are the
 * cause included (`alone` says what these cost without any controller), until nothing is written any more.
 *
 *   npm run bench -- bench/controllers.ts [nodes... = 1000 10000]
 */
const sizes = process.argv.slice(2).map(Number);
const podsPerNode = 10;
const replicasOfMany = 100;
const changes = 2_000;
const writers = 64;
const quietMs = 700;

for (const nodes of sizes.length > 0 ? sizes : [1_000, 10_000]) await measure(nodes);

async function measure(nodes: number): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-bench-'));
  const [clock, log] = [systemClock, silentLogger];
  await using store = await openLevelStore({ directory: join(folder.path, 'store'), clock, log });
  const admission = createAdmission();
  admission.install([toleratingSilence]);
  const registry = createRegistry({ store, clock, random: systemRandom, log, kinds, admission });
  for (const name of ['default', 'many']) await registry.create(namespaceKind, { metadata: { name } });
  await forEachLimited(Array(nodes).keys(), writers, (index) => registry.create(nodeKind, hollowNode(index)));
  const stop = new AbortController();
  const kubelets = runPods(registry, stop.signal);

  await using cache = createCache({ registry, clock, log });
  const events = createEventRecorder({ registry, clock, log, component: 'bench' });
  const context = { registry, cache, clock, log, events };
  const running = await runControllers(controllers, { ...context, kinds: fixedKinds(kinds) });
  const scheduler = await startScheduler({ ...context, plugins: schedulerPlugins });
  const quiet = async () => {
    for (let before = -1; before !== store.revision; ) {
      before = store.revision;
      await running.idle();
      await new Promise<void>((resolve) => clock.after(quietMs, resolve));
    }
  };
  const meter = meterOf(nodes, quiet);

  await meter('DaemonSet, made to all ready', nodes, async () => {
    await registry.create(daemonSetKind, { metadata: at('agent'), spec: parts('agent') });
  });
  await meter(`Deployment of ${nodes}, made to all ready`, nodes, async () => {
    await registry.create(deploymentKind, {
      metadata: at('big'),
      spec: { ...parts('big'), replicas: nodes },
    });
  });
  await meter('Deployments of 100, made to all ready', (podsPerNode - 2) * nodes, () =>
    forEachLimited(Array(((podsPerNode - 2) * nodes) / replicasOfMany).keys(), writers, (index) => {
      const name = `web-${index}`;
      const spec = { ...parts(name), replicas: replicasOfMany };
      return registry.create(deploymentKind, { metadata: { name, namespace: 'many' }, spec });
    }),
  );
  await registry.create(podDisruptionBudgetKind, {
    metadata: at('big'),
    spec: { minAvailable: '50%', selector: { matchLabels: { app: 'big' } } },
  });
  await quiet();
  const pods = [...cache.informer(podKind).list()];
  const of = (app: string) =>
    sample(pods.filter(({ metadata }) => metadata?.labels?.['app']?.startsWith(app)));
  for (const [what, app] of [
    ['pod of a Deployment of 100: not ready, ready', 'web-'],
    [`pod of a Deployment of ${nodes} with a budget: the same`, 'big'],
    ['pod of the DaemonSet: the same', 'agent'],
  ] as const) {
    const chosen = of(app);
    await meter(what, 2 * chosen.length, () => flap(registry, chosen));
  }
  const names = Array.from({ length: 200 }, (_, index) => `board-${index}`);
  await meter('node lost', names.length, () => setNodes(registry, names, 'Unknown'));
  await meter('node back', names.length, () => setNodes(registry, names, 'True'));
  await meter(`Deployment of ${nodes} deleted, dependents first`, nodes, () =>
    registry.delete(deploymentKind, at('big'), { propagationPolicy: 'Foreground' }),
  );
  await scheduler[Symbol.asyncDispose]();
  await running[Symbol.asyncDispose]();
  await events.idle();
  const chosen = of('web-');
  await meter('pod: not ready, ready, alone', 2 * chosen.length, () => flap(registry, chosen));
  stop.abort();
  await kubelets;
}

function meterOf(nodes: number, quiet: () => Promise<void>) {
  return async (what: string, count: number, act: () => Promise<unknown>): Promise<void> => {
    await quiet();
    const began = { wall: performance.now(), cpu: process.cpuUsage() };
    await act();
    await quiet();
    const seconds = (performance.now() - began.wall) / 1000;
    const { user, system } = process.cpuUsage(began.cpu);
    const each = ((user + system) / 1000 / count).toFixed(3);
    const line = `${String(nodes).padStart(6)} nodes  ${what.padEnd(56)} ${count} in ${seconds.toFixed(1)} s, CPU ${each} ms each`;
    process.stdout.write(`${line}\n`);
  };
}

/** Devices: a bound pod runs and is ready, a deleted one is confirmed gone. */
async function runPods(registry: Registry, signal: AbortSignal): Promise<void> {
  for await (const change of registry.watch(podKind, { signal })) {
    if (change.type === 'DELETED' || change.type === 'BOOKMARK' || !change.object.spec?.nodeName) continue;
    const { object } = change;
    const { namespace = '', name, deletionTimestamp } = storedMeta(object);
    if (deletionTimestamp !== undefined)
      void registry.delete(podKind, { namespace, name }, { gracePeriodSeconds: 0 }).catch(() => {});
    else if (object.status?.phase === 'Pending') void setReady(registry, object, 'True');
  }
}

async function setReady(registry: Registry, pod: Readonly<Pod>, status: string): Promise<void> {
  const { namespace = '', name } = storedMeta(pod);
  const change = (draft: Pod) => {
    const others = (draft.status?.conditions ?? []).filter(({ type }) => type !== 'Ready');
    const ready = { type: 'Ready', status, lastTransitionTime: timestamp(systemClock.now()) };
    draft.status = { ...draft.status, phase: 'Running', conditions: [...others, ready] };
  };
  await registry.mutate(podKind, { namespace, name }, change, { subresource: 'status' });
}

async function flap(registry: Registry, pods: readonly Readonly<Pod>[]): Promise<void> {
  for (const status of ['False', 'True'])
    await forEachLimited(pods, writers, (pod) => setReady(registry, pod, status));
}

async function setNodes(registry: Registry, names: readonly string[], status: string): Promise<void> {
  await forEachLimited(names, writers, (name) =>
    registry.mutate(
      nodeKind,
      { name },
      (draft) => {
        const conditions = [{ type: 'Ready', status, lastTransitionTime: timestamp(systemClock.now()) }];
        draft.status = { ...draft.status, conditions };
      },
      { subresource: 'status' },
    ),
  );
}

/** Spread evenly, so that they are of many owners and on many nodes. */
function sample<T>(all: readonly T[]): T[] {
  const step = Math.max(1, Math.floor((2 * all.length) / changes));
  return all.filter((_, index) => index % step === 0);
}

function hollowNode(index: number) {
  const name = `board-${index}`;
  return {
    metadata: { name, labels: { 'kubernetes.io/arch': 'arm64', 'kubernetes.io/hostname': name } },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110' },
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: timestamp(systemClock.now()) }],
    },
  };
}

function at(name: string) {
  return { name, namespace: 'default' };
}

function parts(app: string) {
  const requests = { cpu: '1m', memory: '1Mi' };
  const containers = [{ name: 'pause', image: 'registry.example/pause:3.10', resources: { requests } }];
  return {
    selector: { matchLabels: { app } },
    template: { metadata: { labels: { app } }, spec: { containers } },
  };
}
