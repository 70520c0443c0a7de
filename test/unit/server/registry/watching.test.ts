import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoreError } from '../../../../server/store/errors.ts';
import { brief, openRegistry, refused, take, type Widget, widget, widgetKind } from './registry-fixture.ts';

const a = { namespace: 'default', name: 'a' };
const colourless = (labels: Record<string, string>) => (draft: Widget) => {
  (draft.metadata ??= {}).labels = labels;
};

test('a watch without a version starts with what there is, one with a version after it', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const { metadata } = await registry.create(widgetKind, widget('a'));
  await registry.create(widgetKind, widget('b'));
  await registry.delete(widgetKind, a);
  assert.deepEqual((await take(registry, widgetKind, { count: 1 })).map(brief), ['ADDED b@4']);
  const changes = await take(registry, widgetKind, {
    count: 2,
    resourceVersion: metadata?.resourceVersion ?? '',
  });
  assert.deepEqual(changes.map(brief), ['ADDED b@4', 'DELETED a@5']);
});

test('to a watcher with a selector an object comes and goes as it matches', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const { resourceVersion } = registry;
  await registry.create(widgetKind, widget('a'));
  await registry.create(widgetKind, widget('ab', {}, { labels: { app: 'web' } }));
  await registry.mutate(widgetKind, a, colourless({ app: 'web' }));
  await registry.mutate(widgetKind, a, colourless({ app: 'web', tier: 'x' }));
  await registry.mutate(widgetKind, a, colourless({ app: 'db' }));
  await registry.delete(widgetKind, a);
  await registry.delete(widgetKind, { ...a, name: 'ab' });
  const changes = await take(registry, widgetKind, { count: 5, resourceVersion, labelSelector: 'app=web' });
  assert.deepEqual(changes.map(brief), [
    'ADDED ab@4',
    'ADDED a@5',
    'MODIFIED a@6',
    'DELETED a@7',
    'DELETED ab@9',
  ]);
  const left = changes[3];
  assert.ok(left?.type === 'DELETED');
  assert.deepEqual(left.object.metadata?.labels, { app: 'web', tier: 'x' });
});

test('a watch of one name sees neither names that begin with it nor other namespaces', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const { resourceVersion } = registry;
  await registry.create(widgetKind, widget('ab'));
  await registry.create(widgetKind, widget('a', {}, { namespace: 'other' }));
  await registry.create(widgetKind, widget('a'));
  const [change] = await take(registry, widgetKind, {
    count: 1,
    resourceVersion,
    namespace: 'default',
    fieldSelector: 'metadata.name=a',
  });
  assert.equal(change && brief(change), 'ADDED a@5');
});

test('watchers of one kind share each decoded change', async () => {
  await using fixture = await openRegistry();
  const { registry } = fixture;
  const { resourceVersion } = registry;
  await registry.create(widgetKind, widget('a'));
  const [one] = await take(registry, widgetKind, { count: 1, resourceVersion });
  const [other] = await take(registry, widgetKind, { count: 1, resourceVersion });
  assert.ok(one?.type === 'ADDED' && other?.type === 'ADDED');
  assert.equal(one.object, other.object);
  assert.notEqual(await registry.get(widgetKind, a), one.object);
});

test('a version that is compacted, has not happened or is none is refused', async () => {
  await using fixture = await openRegistry();
  const { registry, store } = fixture;
  await registry.create(widgetKind, widget('a'));
  await store.compact(store.revision);
  await assert.rejects(
    take(registry, widgetKind, { count: 1, resourceVersion: '1' }),
    refused('Expired', 'too old resource version: 1 (3)'),
  );
  await assert.rejects(
    take(registry, widgetKind, { count: 1, resourceVersion: '99' }),
    refused('Timeout', 'Too large resource version: 99, current: 3'),
  );
  const { signal } = new AbortController();
  assert.throws(
    () => registry.watch(widgetKind, { signal, resourceVersion: '-1' }),
    refused('BadRequest', /Invalid value: "-1"/),
  );
  assert.throws(
    () => registry.watch(widgetKind, { signal, fieldSelector: 'spec.size=1' }),
    refused('BadRequest', 'field label not supported: spec.size'),
  );
});

test('a watcher cut off for reading slowly goes on where it was, without a gap', async () => {
  await using fixture = await openRegistry();
  const { registry, store } = fixture;
  const watch = store.watch.bind(store);
  let cuts = 0;
  store.watch = async function* (prefix, from, options) {
    for await (const batch of watch(prefix, from, options)) {
      yield batch;
      cuts += 1;
      if (cuts < 3) throw new StoreError('WatchOverflow', 'too slow');
    }
  };
  const { resourceVersion } = registry;
  for (const name of ['a', 'b', 'c']) await registry.create(widgetKind, widget(name));
  const changes = await take(registry, widgetKind, { count: 3, resourceVersion });
  assert.deepEqual(changes.map(brief), ['ADDED a@3', 'ADDED b@4', 'ADDED c@5']);
});

test('bookmarks carry the version on, not more often than asked', async () => {
  await using fixture = await openRegistry();
  const { registry, store, clock } = fixture;
  store.watch = async function* () {
    yield { revision: 5, events: [] };
    await clock.advance(10_000);
    yield { revision: 6, events: [] };
    yield { revision: 7, events: [] };
    await clock.advance(10_000);
    yield { revision: 8, events: [] };
  };
  const changes = await take(registry, widgetKind, {
    count: 2,
    resourceVersion: '1',
    bookmarks: true,
    bookmarkIntervalMs: 10_000,
  });
  assert.deepEqual(changes.map(brief), ['BOOKMARK @6', 'BOOKMARK @8']);
});
