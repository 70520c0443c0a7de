import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { fixedKinds } from '../../../../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import { definePodGarbageCollector } from '../../../../server/controllers/pod-garbage-collector.ts';
import { runControllers } from '../../../../server/controllers/run-controllers.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import { createEventRecorder } from '../../../../server/registry/event-recorder.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

test('of pods that have ended the oldest go beyond a number; pods that run stay', async () => {
  const clock = new ManualClock();
  const log = silentLogger;
  await using store = createMemoryStore({ clock, random: seededRandom(1) });
  const registry = createRegistry({ store, clock, random: seededRandom(2), log, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  for (const [index, phase] of ['Succeeded', 'Running', 'Failed', 'Succeeded', 'Succeeded'].entries()) {
    const at = { namespace: 'default', name: `p${index}` };
    await registry.create(podKind, { metadata: at, spec: { containers: [{ name: 'c', image: 'i' }] } });
    await registry.mutate(podKind, at, (draft) => void (draft.status = { phase }), { subresource: 'status' });
    await clock.advance(1_000);
  }
  await using cache = createCache({ registry, clock, log });
  const events = createEventRecorder({ registry, clock, log, component: 'test' });
  const parts = { registry, cache, clock, log, events, kinds: fixedKinds(kinds) };
  const starting = runControllers([definePodGarbageCollector(2)], parts);
  await clock.advance(1_000);
  await using controllers = await starting;
  const names = async () => (await registry.list(podKind)).items.map(({ metadata }) => metadata?.name);
  for (let round = 0; round < 50 && (await names()).length > 3; round += 1) await clock.advance(100);
  await controllers.idle();
  assert.deepEqual(await names(), ['p1', 'p3', 'p4']);
});
