import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type LogFields, type Logger, silentLogger } from '../../../../lib/log.ts';
import { StatusError } from '../../../../protocol/status.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import type { CacheChange, Informer } from '../../../../server/cache/informer.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { settle } from '../../../support/manual-clock.ts';
import {
  openRegistry,
  type RegistryFixture,
  testNamespaceKind,
  type Widget,
  widget,
  widgetKind,
} from '../registry/registry-fixture.ts';

const a = { namespace: 'default', name: 'a' };

function open({ registry, clock }: RegistryFixture, log: Logger = silentLogger) {
  return createCache({ registry, clock, log });
}

/** Resolves when the copy has reached everything the registry has committed. */
async function caughtUp(informer: Informer<Widget>, { registry }: RegistryFixture): Promise<void> {
  const { items } = await registry.list(widgetKind);
  const versions = new Set(items.map(({ metadata }) => `${metadata?.uid}@${metadata?.resourceVersion}`));
  for (let turns = 0; turns < 1000; turns += 1) {
    const held = [...informer.list()].map(({ metadata }) => `${metadata?.uid}@${metadata?.resourceVersion}`);
    if (held.length === versions.size && held.every((version) => versions.has(version))) return;
    await settle();
  }
  assert.fail('the informer did not catch up');
}

function record(informer: Informer<Widget>): string[] {
  const seen: string[] = [];
  informer.onChange((change) => seen.push(line(change)));
  return seen;
}

function line({ type, object }: CacheChange<Widget>): string {
  return `${type} ${object.metadata?.name}@${object.metadata?.resourceVersion}`;
}

function resize(registry: Registry, size: number): Promise<Widget> {
  return registry.mutate(widgetKind, a, (draft) => {
    (draft.spec ??= {}).size = size;
  });
}

describe('following', () => {
  test('every change is told once, whether it came before, during or after the first list', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await using cache = open(fixture);
    await registry.create(widgetKind, widget('a'));
    const informer = cache.informer(widgetKind);
    const seen = record(informer);
    const writes = Array.from({ length: 20 }, (_, index) => registry.create(widgetKind, widget(`w${index}`)));
    await Promise.all([cache.synced(), ...writes]);
    await resize(registry, 2);
    await registry.delete(widgetKind, { ...a, name: 'w7' });
    await caughtUp(informer, fixture);
    const added = seen.filter((text) => text.startsWith('added'));
    assert.equal(new Set(added).size, 21);
    assert.equal(added.length, 21);
    assert.deepEqual(seen.slice(-2), ['updated a@24', 'deleted w7@25']);
    assert.equal(informer.size, 20);
    assert.equal(informer.get('default', 'w7'), undefined);
  });

  test('an informer is one for all who ask, and synced waits for every one of them', async () => {
    await using fixture = await openRegistry();
    await using cache = open(fixture);
    const widgets = cache.informer(widgetKind);
    assert.equal(cache.informer(widgetKind), widgets);
    const namespaces = cache.informer(testNamespaceKind);
    await cache.synced();
    assert.equal(namespaces.size, 2);
    assert.equal(widgets.size, 0);
    assert.equal(widgets.resourceVersion, fixture.registry.resourceVersion);
  });

  test('a late handler is told what there is; a disposed one nothing more; one that throws harms nobody', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    const errors: LogFields[] = [];
    const log: Logger = { ...silentLogger, error: (_message, fields = {}) => errors.push(fields) };
    await using cache = open(fixture, log);
    await registry.create(widgetKind, widget('a'));
    const informer = cache.informer(widgetKind);
    await cache.synced();
    const throwing = informer.onChange(() => {
      throw new Error('mine');
    });
    const seen = record(informer);
    await resize(registry, 2);
    await caughtUp(informer, fixture);
    throwing[Symbol.dispose]();
    await resize(registry, 3);
    await caughtUp(informer, fixture);
    assert.deepEqual(seen, ['added a@3', 'updated a@4', 'updated a@5']);
    assert.equal(errors.length, 2);
  });

  test('a handler added by a handler is told each object once', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await using cache = open(fixture);
    const informer = cache.informer(widgetKind);
    await cache.synced();
    let seen: string[] | undefined;
    informer.onChange(() => {
      seen ??= record(informer);
    });
    await registry.create(widgetKind, widget('a'));
    await registry.create(widgetKind, widget('b'));
    await caughtUp(informer, fixture);
    assert.deepEqual(seen, ['added a@3', 'added b@4']);
  });
});

describe('looking up', () => {
  test('indexes and uids follow every change', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await using cache = open(fixture);
    const informer = cache.informer(widgetKind);
    const first = await registry.create(widgetKind, widget('a', { size: 1 }));
    await registry.create(widgetKind, widget('b', { size: 1 }));
    await caughtUp(informer, fixture);
    informer.addIndex('size', ({ spec }) => [String(spec?.size)]);
    assert.ok(informer.hasIndex('size') && !informer.hasIndex('colour'));
    assert.throws(() => informer.addIndex('size', () => []), /exists already/);
    const names = (size: string) => informer.byIndex('size', size).map(({ metadata }) => metadata?.name);
    assert.deepEqual(names('1'), ['a', 'b']);
    await resize(registry, 2);
    await registry.delete(widgetKind, { ...a, name: 'b' });
    await caughtUp(informer, fixture);
    assert.deepEqual([names('1'), names('2')], [[], ['a']]);
    assert.equal(informer.getByUid(first.metadata?.uid ?? '')?.spec?.size, 2);
    await registry.delete(widgetKind, a);
    await caughtUp(informer, fixture);
    assert.equal(informer.getByUid(first.metadata?.uid ?? ''), undefined);
    assert.throws(() => informer.byIndex('colour', 'x'), /no index colour/);
  });
});

describe('interruptions', () => {
  test('after a failure the watch goes on from where it was, without a new list', async () => {
    await using fixture = await openRegistry();
    const { registry, clock } = fixture;
    const breaking = breakableRegistry(registry);
    await using cache = open({ ...fixture, registry: breaking.registry });
    const informer = cache.informer(widgetKind);
    const seen = record(informer);
    await registry.create(widgetKind, widget('a'));
    await caughtUp(informer, fixture);
    breaking.break(new StatusError('ServiceUnavailable', 'the disk'));
    await resize(registry, 2);
    await clock.advance(100);
    await caughtUp(informer, fixture);
    assert.deepEqual(seen, ['added a@3', 'updated a@4']);
    assert.equal(breaking.lists, 1);
  });

  test('after the history is gone a new list is told as the changes that were missed', async () => {
    await using fixture = await openRegistry();
    const { registry, store, clock } = fixture;
    const breaking = breakableRegistry(registry);
    await using cache = open({ ...fixture, registry: breaking.registry });
    const informer = cache.informer(widgetKind);
    informer.addIndex('colour', ({ spec }) => [spec?.colour ?? '']);
    const seen = record(informer);
    for (const name of ['a', 'gone', 'same', 'again']) await registry.create(widgetKind, widget(name));
    await caughtUp(informer, fixture);
    seen.length = 0;
    breaking.break(new StatusError('ServiceUnavailable', 'the disk'));
    await resize(registry, 2);
    await registry.delete(widgetKind, { ...a, name: 'gone' });
    await registry.delete(widgetKind, { ...a, name: 'again' });
    await registry.create(widgetKind, widget('again'));
    await registry.create(widgetKind, widget('new'));
    await store.compact(store.revision);
    for (let delay = 100; breaking.lists < 2 && delay < 10_000; delay *= 2) await clock.advance(delay);
    await caughtUp(informer, fixture);
    assert.deepEqual(seen, [
      'updated a@7',
      'deleted again@6',
      'added again@10',
      'added new@11',
      'deleted gone@4',
    ]);
    assert.equal(breaking.lists, 2);
    assert.equal(informer.byIndex('colour', 'grey').length, 4);
  });

  test('a list that fails is tried again with growing pauses; until then nothing counts as synced', async () => {
    await using fixture = await openRegistry();
    const { registry, clock } = fixture;
    await registry.create(widgetKind, widget('a'));
    let failures = 0;
    const failing: Registry = Object.create(registry, {
      list: {
        value: async (...args: Parameters<Registry['list']>) => {
          failures += 1;
          if (failures <= 3) throw new StatusError('ServiceUnavailable', 'the disk');
          return registry.list(...args);
        },
      },
    });
    await using cache = open({ ...fixture, registry: failing });
    const informer = cache.informer(widgetKind);
    let synced = false;
    const whenSynced = cache.synced().then(() => {
      synced = true;
    });
    for (const delay of [100, 200, 399]) await clock.advance(delay);
    assert.deepEqual([synced, failures], [false, 3]);
    await clock.advance(1);
    await whenSynced;
    assert.equal(informer.size, 1);
  });

  test('a disposed cache stops, and who waits for it is told', async () => {
    await using fixture = await openRegistry();
    const cache = open(fixture);
    cache.informer(widgetKind);
    const waiting = assert.rejects(cache.synced(), /stopped before its first list/);
    await cache[Symbol.asyncDispose]();
    await waiting;
  });
});

/** A registry whose running watches can be made to fail; counts the lists it answers. */
function breakableRegistry(inner: Registry) {
  let failure = Promise.withResolvers<never>();
  failure.promise.catch(() => {});
  const control = {
    lists: 0,
    break(error: Error): void {
      const { reject } = failure;
      failure = Promise.withResolvers();
      failure.promise.catch(() => {});
      reject(error);
    },
    registry: undefined as unknown as Registry,
  };
  async function* watch(...[kind, request]: Parameters<Registry['watch']>) {
    const broken = failure.promise;
    const changes = inner.watch(kind, request)[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([changes.next(), broken]);
      if (next.done) return;
      yield next.value;
    }
  }
  control.registry = Object.create(inner, {
    watch: { value: watch },
    list: {
      value: (...args: Parameters<Registry['list']>) => {
        control.lists += 1;
        return inner.list(...args);
      },
    },
  });
  return control;
}

test('the informer of a kind that is served no more is stopped, and the next one starts anew', async () => {
  await using fixture = await openRegistry();
  await using cache = open(fixture);
  const first = cache.informer(widgetKind);
  await cache.synced();
  assert.equal(cache.informer(widgetKind), first);
  cache.release(widgetKind);
  assert.notEqual(cache.informer(widgetKind), first);
});
