import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ListRequest, Registry } from '../../../../server/registry/registry.ts';
import { openRegistry, refused, widget, widgetKind, widgetsetKind } from './registry-fixture.ts';

async function names(registry: Registry, request: ListRequest): Promise<(string | undefined)[]> {
  return (await registry.list(widgetKind, request)).items.map(({ metadata }) => metadata?.name);
}

async function filled() {
  const fixture = await openRegistry();
  const { registry } = fixture;
  await registry.create(widgetKind, widget('a', { colour: 'red' }, { labels: { app: 'web' } }));
  await registry.create(widgetKind, widget('b', { colour: 'blue' }, { labels: { app: 'db' } }));
  await registry.create(widgetKind, widget('b1', { colour: 'red' }));
  await registry.create(widgetKind, widget('a', { colour: 'red' }, { namespace: 'other' }));
  await registry.create(widgetsetKind, { metadata: { name: 'set' } });
  return fixture;
}

describe('selecting', () => {
  test('a list sees its kind and its namespace only', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    assert.deepEqual(await names(registry, {}), ['a', 'b', 'b1', 'a']);
    assert.deepEqual(await names(registry, { namespace: 'default' }), ['a', 'b', 'b1']);
    assert.deepEqual(await names(registry, { namespace: 'def' }), []);
    assert.equal((await registry.list(widgetsetKind)).items.length, 1);
  });

  test('labels and fields select', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    assert.deepEqual(await names(registry, { labelSelector: 'app in (web,db)' }), ['a', 'b']);
    assert.deepEqual(await names(registry, { labelSelector: '!app' }), ['b1', 'a']);
    assert.deepEqual(await names(registry, { fieldSelector: 'spec.colour=red,metadata.name!=b1' }), [
      'a',
      'a',
    ]);
    assert.deepEqual(await names(registry, { fieldSelector: 'metadata.name=b', namespace: 'default' }), [
      'b',
    ]);
    assert.deepEqual(await names(registry, { fieldSelector: 'metadata.name=a' }), ['a', 'a']);
    assert.deepEqual(await names(registry, { fieldSelector: 'metadata.name=a,metadata.namespace=other' }), [
      'a',
    ]);
    assert.deepEqual(
      await names(registry, { fieldSelector: 'metadata.name=b,spec.colour=red', namespace: 'default' }),
      [],
    );
  });

  test('a field that cannot be selected by, and a malformed selector, are bad requests', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    await assert.rejects(
      registry.list(widgetKind, { fieldSelector: 'spec.size=1' }),
      refused('BadRequest', 'field label not supported: spec.size'),
    );
    await assert.rejects(
      registry.list(widgetsetKind, { fieldSelector: 'metadata.namespace=x' }),
      refused('BadRequest', 'field label not supported: metadata.namespace'),
    );
    await assert.rejects(
      registry.list(widgetKind, { fieldSelector: 'constructor=x' }),
      refused('BadRequest', 'field label not supported: constructor'),
    );
    await assert.rejects(
      registry.list(widgetKind, { labelSelector: 'app in (' }),
      refused('BadRequest', /unable to parse requirement/),
    );
  });
});

describe('pages', () => {
  test('the pages of a list are one list at one revision, whatever is written meanwhile', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    const first = await registry.list(widgetKind, { limit: 2 });
    assert.equal(first.remainingItemCount, 2);
    await registry.create(widgetKind, widget('b0'));
    await registry.delete(widgetKind, { namespace: 'other', name: 'a' });
    const second = await registry.list(widgetKind, { limit: 1, continue: first.continue ?? '' });
    assert.equal(second.remainingItemCount, 1);
    const third = await registry.list(widgetKind, { limit: 1, continue: second.continue ?? '' });
    assert.equal(third.continue, undefined);
    assert.equal(third.remainingItemCount, undefined);
    assert.deepEqual(
      [first, second, third].flatMap(({ items }) => items.map(({ metadata }) => metadata?.name)),
      ['a', 'b', 'b1', 'a'],
    );
    assert.deepEqual(new Set([first, second, third].map((page) => page.resourceVersion)).size, 1);
  });

  test('a page with a selector is filled from as many keys as it takes', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    const first = await registry.list(widgetKind, { limit: 2, fieldSelector: 'spec.colour=red' });
    assert.deepEqual(
      first.items.map(({ metadata }) => metadata?.name),
      ['a', 'b1'],
    );
    assert.equal(first.remainingItemCount, undefined);
    const rest = { limit: 2, fieldSelector: 'spec.colour=red', continue: first.continue ?? '' };
    assert.deepEqual(await names(registry, rest), ['a']);
  });

  test('a token is good for its own list only', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    const token = (await registry.list(widgetKind, { limit: 1 })).continue ?? '';
    await assert.rejects(
      registry.list(widgetsetKind, { limit: 1, continue: token }),
      refused('BadRequest', /continue key is not valid/),
    );
    for (const broken of ['!', 'bnVsbA', Buffer.from('{"rev":-1,"start":"/"}').toString('base64url')]) {
      await assert.rejects(
        registry.list(widgetKind, { limit: 1, continue: broken }),
        refused('BadRequest', /continue key is not valid/),
      );
    }
    await assert.rejects(
      registry.list(widgetKind, { limit: 1, continue: token, resourceVersion: '1' }),
      refused('BadRequest', 'specifying resource version is not allowed when using continue'),
    );
  });

  test('a token whose revision was compacted is expired', async () => {
    await using fixture = await filled();
    const { registry, store } = fixture;
    const token = (await registry.list(widgetKind, { limit: 1 })).continue ?? '';
    await registry.create(widgetKind, widget('z'));
    await store.compact(store.revision);
    await assert.rejects(
      registry.list(widgetKind, { limit: 1, continue: token }),
      refused('Expired', /^The provided continue parameter is too old to display a consistent list result\./),
    );
  });
});

describe('resourceVersion of a list', () => {
  test('"at least" answers with the latest, "exactly" with that moment', async () => {
    await using fixture = await filled();
    const { registry } = fixture;
    const { resourceVersion } = registry;
    await registry.create(widgetKind, widget('z'));
    for (const version of ['0', resourceVersion]) {
      assert.equal((await names(registry, { resourceVersion: version })).length, 5);
      const notOlder = { resourceVersion: version, resourceVersionMatch: 'NotOlderThan' } as const;
      assert.equal((await names(registry, notOlder)).length, 5);
    }
    const exact = { resourceVersion, resourceVersionMatch: 'Exact' } as const;
    assert.equal((await names(registry, exact)).length, 4);
    assert.equal((await names(registry, { resourceVersion, limit: 10 })).length, 4);
  });

  test('a version that has not happened, is gone, or is none, is refused', async () => {
    await using fixture = await filled();
    const { registry, store } = fixture;
    await assert.rejects(registry.list(widgetKind, { resourceVersion: '999' }), (error) => {
      refused('Timeout', `Too large resource version: 999, current: ${store.revision}`)(error);
      return Reflect.get(error as object, 'details').causes[0].reason === 'ResourceVersionTooLarge';
    });
    await assert.rejects(
      registry.list(widgetKind, { resourceVersion: 'x1' }),
      refused('BadRequest', /Invalid value: "x1"/),
    );
    await assert.rejects(
      registry.list(widgetKind, { resourceVersionMatch: 'Exact' }),
      refused('BadRequest', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
    );
    await assert.rejects(
      registry.list(widgetKind, { resourceVersion: '0', resourceVersionMatch: 'Exact' }),
      refused('BadRequest', 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'),
    );
    await store.compact(store.revision);
    await assert.rejects(
      registry.list(widgetKind, { resourceVersion: '1', resourceVersionMatch: 'Exact' }),
      refused('Expired', 'The resourceVersion for the provided list is too old.'),
    );
  });
});
