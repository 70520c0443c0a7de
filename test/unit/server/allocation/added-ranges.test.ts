import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { ServiceSpec } from '../../../../protocol/generated/models.ts';
import { fixedKinds } from '../../../../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { serviceCidrKind } from '../../../../protocol/kinds/service-cidr.ts';
import { isStatus } from '../../../../protocol/status.ts';
import {
  configuredRangeName,
  createAddedRanges,
  hasRoom,
  isOfNetwork,
} from '../../../../server/allocation/added-ranges.ts';
import { readAddressRanges, readPortRange } from '../../../../server/allocation/read-ranges.ts';
import { serviceAllocator } from '../../../../server/allocation/service-allocator.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import { runControllers } from '../../../../server/controllers/run-controllers.ts';
import { serviceCidrController } from '../../../../server/controllers/service-cidrs.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import { createEventRecorder } from '../../../../server/registry/event-recorder.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { ManualClock, settle } from '../../../support/manual-clock.ts';

/** The setting's range gives out five addresses. */
async function open() {
  const parts = new AsyncDisposableStack();
  const clock = new ManualClock();
  const store = parts.use(createMemoryStore({ clock }));
  const added = createAddedRanges();
  const allocator = serviceAllocator({
    addresses: readAddressRanges('10.96.0.0/29'),
    added: added.list,
    nodePorts: readPortRange('30000-30009'),
    random: seededRandom(1),
  });
  const log = silentLogger;
  const registry = createRegistry({
    store,
    clock,
    random: seededRandom(2),
    log,
    kinds,
    allocators: [allocator],
  });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  const cache = parts.use(createCache({ registry, clock, log }));
  cache.informer(serviceCidrKind).onChange(({ type, object }) => {
    if (type === 'deleted') added.remove(object);
    else added.put(object);
  });
  const events = createEventRecorder({ registry, clock, log, component: 'test' });
  const controller = serviceCidrController({ configured: configuredRangeName, hasRoom, isOfNetwork });
  const context = { registry, cache, kinds: fixedKinds(kinds), clock, log, events };
  parts.use(await runControllers([controller], context));
  const until = async (what: string, holds: () => Promise<boolean>) => {
    for (let turn = 0; turn < 500; turn += 1) {
      if (await holds()) return;
      await settle();
    }
    assert.fail(what);
  };
  const readyOf = async (name: string) => {
    const { status } = await registry.get(serviceCidrKind, { name });
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return ready ? `${ready.status} ${ready.reason}`.trim() : '';
  };
  return {
    clock,
    registry,
    readyOf,
    range: async (name: string, ...cidrs: string[]) => {
      await registry.create(serviceCidrKind, { metadata: { name }, spec: { cidrs } });
      await until(`${name} is judged`, async () => (await readyOf(name)) !== '');
      await settle();
    },
    becomes: (name: string, wanted: string) =>
      until(`${name} is ${wanted}`, async () => (await readyOf(name)) === wanted),
    gone: (name: string) =>
      until(`${name} is gone`, () =>
        registry.get(serviceCidrKind, { name }).then(
          () => false,
          (error: unknown) => isStatus(error, 'NotFound'),
        ),
      ),
    serve: async (name: string, spec: ServiceSpec = {}) => {
      const metadata = { namespace: 'default', name };
      const made = await registry.create(serviceKind, { metadata, spec: { ports: [{ port: 80 }], ...spec } });
      return made.spec?.clusterIP ?? '';
    },
    stop: (name: string) => registry.delete(serviceKind, { namespace: 'default', name }),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

test('when the range of the setting is full, services get addresses of one that was added, and any can be chosen', async () => {
  await using world = await open();
  for (let count = 0; count < 5; count += 1) assert.match(await world.serve(`s${count}`), /^10\.96\.0\./);
  await assert.rejects(world.serve('late'), /failed to allocate a serviceIP: range is full/);
  await world.range('more', '10.97.0.0/24');
  assert.match(await world.serve('late'), /^10\.97\.0\./);
  assert.equal(await world.serve('chosen', { clusterIP: '10.97.0.77' }), '10.97.0.77');
  await assert.rejects(
    world.serve('astray', { clusterIP: '10.98.0.1' }),
    /is not in the valid range. The range of valid IPs is 10.96.0.0\/29, 10.97.0.0\/24/,
  );
});

test('two ranges that overlap give no address twice', async () => {
  await using world = await open();
  await world.range('one', '10.96.0.0/28');
  await world.range('two', '10.96.0.0/28');
  const given: string[] = [];
  for (let count = 0; count < 13; count += 1) given.push(await world.serve(`s${count}`));
  assert.equal(new Set(given).size, 13);
  await assert.rejects(world.serve('late'), /range is full/);
});

test('a range that is deleted gives out nothing, and stays while a service needs it', async () => {
  await using world = await open();
  const { clock, registry } = world;
  await world.range('more', '10.97.0.0/24');
  await world.serve('held', { clusterIP: '10.97.0.5' });
  await registry.delete(serviceCidrKind, { name: 'more' });
  await world.becomes('more', 'False Terminating');
  await assert.rejects(world.serve('late', { clusterIP: '10.97.0.6' }), /is not in the valid range/);
  await clock.advance(60_000);
  assert.equal(await world.readyOf('more'), 'False Terminating');
  await world.stop('held');
  await clock.advance(60_000);
  await world.gone('more');
});

test('a range without room says so', async () => {
  await using world = await open();
  await world.range('tiny', '10.97.0.0/30');
  assert.equal(await world.readyOf('tiny'), 'False TooSmall');
});
