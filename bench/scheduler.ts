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
 *   npm run bench -- bench/scheduler.ts [pods = 10000] [nodes...  = 100 1000 5000]
 */
const [pods = 10_000, ...sizes] = process.argv.slice(2).map(Number);
const writers = 256;

for (const nodes of sizes.length > 0 ? sizes : [100, 1_000, 5_000]) await measure(nodes);

async function measure(nodes: number): Promise<void> {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-bench-'));
  const [clock, log] = [systemClock, silentLogger];
  await using store = await openLevelStore({ directory: join(folder.path, 'store'), clock, log });
  const registry = createRegistry({ store, clock, random: systemRandom, log, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  await forEachLimited(Array(nodes).keys(), writers, (index) =>
    registry.create(nodeKind, hollowNode(index, nodes)),
  );
  await forEachLimited(Array(pods).keys(), writers, (index) => registry.create(podKind, pausePod(index)));

  await using cache = createCache({ registry, clock, log });
  const informer = cache.informer(podKind);
  cache.informer(nodeKind);
  await cache.synced();
  let left = pods;
  const { promise: finished, resolve } = Promise.withResolvers<void>();
  informer.onChange((change) => {
    if (change.type !== 'updated' || change.old.spec?.nodeName || !change.object.spec?.nodeName) return;
    left -= 1;
    if (left === 0) resolve();
  });
  const events = createEventRecorder({ registry, clock, log, component: 'bench' });
  const began = { wall: performance.now(), cpu: process.cpuUsage() };
  await using _scheduler = await startScheduler({
    registry,
    cache,
    clock,
    log,
    events,
    plugins: schedulerPlugins,
  });
  await finished;
  const seconds = (performance.now() - began.wall) / 1000;
  const { user, system } = process.cpuUsage(began.cpu);
  const busy = (user + system) / 1e6;
  process.stdout.write(
    `${nodes} nodes: ${pods} pods bound in ${seconds.toFixed(2)} s, ${Math.round(pods / seconds)} a second ` +
      `(CPU ${busy.toFixed(2)} s, ${Math.round(pods / busy)} a CPU second)\n`,
  );
  await events.idle();
}

function hollowNode(index: number, nodes: number) {
  return {
    metadata: {
      name: `board-${index}`,
      labels: { 'kubernetes.io/arch': 'arm64', site: `site-${index % 20}` },
    },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: String(Math.max(110, Math.ceil((2 * pods) / nodes))) },
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
}

function pausePod(index: number) {
  const resources = { requests: { cpu: '1m', memory: '1Mi' } };
  return {
    metadata: { name: `pod-${index}`, namespace: 'default', labels: { app: 'bench' } },
    spec: { containers: [{ name: 'pause', image: 'registry.example/pause:3.10', resources }] },
  };
}
