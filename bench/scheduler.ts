import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../lib/clock.ts';
import { forEachLimited } from '../lib/for-each-limited.ts';
import { silentLogger } from '../lib/log.ts';
import { systemRandom } from '../lib/random.ts';
import { namespaceKind } from '../protocol/kinds/namespace.ts';
import { nodeKind } from '../protocol/kinds/node.ts';
import { podKind } from '../protocol/kinds/pod.ts';
import { kinds } from '../protocol/kinds/registry.ts';
import { createCache } from '../server/cache/create-cache.ts';
import { createRegistry } from '../server/registry/create-registry.ts';
import { createEventRecorder } from '../server/registry/event-recorder.ts';
import { schedulerPlugins } from '../server/scheduler/registry.ts';
import { startScheduler } from '../server/scheduler/scheduler.ts';
import { openLevelStore } from '../server/store/level-store.ts';

/**
 * Bindings a second, each durable on disk (LevelDB, synced), over fleets of hollow nodes. The pods wait in the
 * store before the scheduler starts; the clock runs until the last is bound. Events are recorded as in a server.
 *
 *   npm run bench -- bench/scheduler.ts [pods = 10000] [nodes...  = 100 1000 5000] [mixes... = all]
 *
 * Mixes: `basic`; `spread` over zones (maxSkew 1); `anti-affinity` (a hundred workloads, each one pod a node);
 * `preemption` (every node is full of less important pods); `unschedulable` (for each pod that fits another one waits
 * that fits nowhere).
 */
const mixes = ['basic', 'spread', 'anti-affinity', 'preemption', 'unschedulable'] as const;
type Mix = (typeof mixes)[number];
const numbers = process.argv
  .slice(2)
  .filter((text) => /^\d+$/.test(text))
  .map(Number);
const chosen = mixes.filter((mix) => process.argv.includes(mix));
const [pods = 10_000, ...sizes] = numbers;
const writers = 256;

for (const mix of chosen.length > 0 ? chosen : mixes) {
  for (const nodes of sizes.length > 0 ? sizes : [100, 1_000, 5_000]) await measure(mix, nodes);
}

async function measure(mix: Mix, nodes: number): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-bench-'));
  const [clock, log] = [systemClock, silentLogger];
  await using store = await openLevelStore({ directory: join(folder.path, 'store'), clock, log });
  const registry = createRegistry({ store, clock, random: systemRandom, log, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  // Each preemptor needs a node's worth of victims; an anti-affine workload has a pod on each node.
  const count = mix === 'preemption' ? nodes : mix === 'anti-affinity' ? Math.min(pods, 100 * nodes) : pods;
  await forEachLimited(Array(nodes).keys(), writers, (index) =>
    registry.create(nodeKind, hollowNode(index, nodes)),
  );
  if (mix === 'preemption')
    await forEachLimited(Array(nodes).keys(), writers, (index) => registry.create(podKind, filler(index)));
  const waiting = mix === 'unschedulable' ? 2 * count : count;
  await forEachLimited(Array(waiting).keys(), writers, (index) =>
    registry.create(podKind, podOf(mix, index)),
  );

  await using cache = createCache({ registry, clock, log });
  const informer = cache.informer(podKind);
  cache.informer(nodeKind);
  await cache.synced();
  let left = count;
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  informer.onChange((change) => {
    if (change.type !== 'updated' || change.old.spec?.nodeName || !change.object.spec?.nodeName) return;
    left -= 1;
    if (left === 0) resolve();
  });
  const events = createEventRecorder({ registry, clock, log, component: 'bench' });
  const began = { wall: performance.now(), cpu: process.cpuUsage() };
  const plugins = schedulerPlugins;
  await using _scheduler = await startScheduler({ registry, cache, clock, log, events, plugins });
  await finished;
  const seconds = (performance.now() - began.wall) / 1000;
  const { user, system } = process.cpuUsage(began.cpu);
  const busy = (user + system) / 1e6;
  process.stdout.write(
    `${mix}, ${nodes} nodes: ${count} pods bound in ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} a second ` +
      `(CPU ${busy.toFixed(2)} s, ${Math.round(count / busy)} a CPU second)\n`,
  );
  await events.idle();
}

function hollowNode(index: number, nodes: number) {
  const name = `board-${index}`;
  return {
    metadata: {
      name,
      labels: {
        'kubernetes.io/arch': 'arm64',
        'kubernetes.io/hostname': name,
        'topology.kubernetes.io/zone': `site-${index % 20}`,
      },
    },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: String(Math.max(110, Math.ceil((2 * pods) / nodes))) },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

/** Ends at once when it is told to go, as a device with nothing to do would. */
function filler(index: number) {
  const pod = pausePod(`filler-${index}`, 'filler', { cpu: '4' });
  return {
    ...pod,
    spec: { ...pod.spec, nodeName: `board-${index}`, priority: 0, terminationGracePeriodSeconds: 0 },
  };
}

function podOf(mix: Mix, index: number) {
  const app = mix === 'anti-affinity' ? `app-${index % 100}` : 'bench';
  const labelSelector = { matchLabels: { app } };
  const name = `pod-${index}`;
  switch (mix) {
    case 'spread': {
      const pod = pausePod(name, app);
      const topologyKey = 'topology.kubernetes.io/zone';
      const constraint = { maxSkew: 1, topologyKey, whenUnsatisfiable: 'DoNotSchedule', labelSelector };
      return { ...pod, spec: { ...pod.spec, topologySpreadConstraints: [constraint] } };
    }
    case 'anti-affinity': {
      const pod = pausePod(name, app);
      const term = { labelSelector, topologyKey: 'kubernetes.io/hostname' };
      const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } };
      return { ...pod, spec: { ...pod.spec, affinity } };
    }
    case 'preemption': {
      const pod = pausePod(name, app, { cpu: '4' });
      return { ...pod, spec: { ...pod.spec, priority: 1000 } };
    }
    case 'unschedulable':
      return index % 2 === 0 ? pausePod(name, app) : pausePod(name, 'huge', { cpu: '64' });
    case 'basic':
      return pausePod(name, app);
  }
}

function pausePod(
  name: string,
  app: string,
  requests: Record<string, string> = { cpu: '1m', memory: '1Mi' },
) {
  return {
    metadata: { name, namespace: 'default', labels: { app } },
    spec: { containers: [{ name: 'pause', image: 'registry.example/pause:3.10', resources: { requests } }] },
  };
}
