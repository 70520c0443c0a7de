import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { keyOf } from '../../../../server/registry/keys.ts';
import type { ListRequest, Registry } from '../../../../server/registry/registry.ts';
import { openRegistry, type Widget, widget, widgetKind } from './registry-fixture.ts';

const decoder = new TextDecoder();

async function encodedList(registry: Registry, kind = widgetKind, request: ListRequest = {}) {
  const { items } = await registry.listEncoded(kind, request);
  return items.map(({ head, tail }) => JSON.parse(head + decoder.decode(tail)));
}

async function plainList(registry: Registry, kind = widgetKind, request: ListRequest = {}) {
  const { items } = await registry.list(kind, request);
  return items.map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item);
}

describe('lists as JSON', () => {
  test('say what lists of objects say, the first time and every later time', async () => {
    const value = fc.jsonValue({ maxDepth: 3 }).filter((json) => !JSON.stringify(json).includes('__proto__'));
    const labels = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.stringMatching(/^[a-z]{0,5}$/));
    const objects = fc.array(fc.record({ value, labels, selected: fc.boolean() }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(objects, async (given) => {
        await using fixture = await openRegistry();
        const { registry } = fixture;
        for (const [at, { value: inner, labels: own, selected }] of given.entries()) {
          const spec = { inner, ...(selected ? { colour: 'red' } : {}) } as Widget['spec'];
          await registry.create(widgetKind, widget(`w${at}`, spec, { labels: own }));
        }
        for (const request of [{}, {}, { fieldSelector: 'spec.colour=red' }, { limit: 2 }])
          assert.deepEqual(
            await encodedList(registry, widgetKind, request),
            await plainList(registry, widgetKind, request),
          );
      }),
      { numRuns: 40 },
    );
  });

  test('neither parse nor write what is stored as it is shown', async () => {
    await using fixture = await openRegistry();
    const { registry, store } = fixture;
    await registry.create(widgetKind, widget('a', { size: 1 }));
    const key = keyOf(widgetKind, { namespace: 'default', name: 'a' });
    await registry.listEncoded(widgetKind);
    const [item] = (await registry.listEncoded(widgetKind)).items;
    const stored = (await store.get(key))?.value;
    assert.ok(item?.tail && stored);
    assert.equal(item.tail.buffer, stored.buffer);
    assert.equal(item.tail.byteOffset + item.tail.length, stored.byteOffset + stored.length);
  });

  test('show objects of earlier releases with the defaults and in the order of this one', async () => {
    await using fixture = await openRegistry();
    const { registry, store } = fixture;
    const metadata = { name: 'old', namespace: 'default', uid: 'u' };
    const earlier = [
      { metadata, spec: { colour: 'red' }, kind: 'Widget', apiVersion: 'example.dev/v1' },
      { apiVersion: 'example.dev/v1', kind: 'Widget', metadata, spec: { size: 1 } },
      { apiVersion: 'example.dev/v1', kind: 'Widget', metadata: {}, spec: { colour: 'red' } },
      { spec: {} },
    ];
    const key = keyOf(widgetKind, { namespace: 'default', name: 'old' });
    let revision = 0;
    for (const object of earlier) {
      const bytes = Buffer.from(JSON.stringify(object));
      revision = revision === 0 ? await store.create(key, bytes) : await store.update(key, bytes, revision);
      for (let time = 0; time < 2; time += 1)
        assert.deepEqual(await encodedList(registry), await plainList(registry));
    }
  });

  test('follow a definition that changes', async () => {
    await using fixture = await openRegistry();
    const { registry } = fixture;
    await registry.create(widgetKind, widget('a'));
    for (let time = 0; time < 2; time += 1) await encodedList(registry);
    const changed: typeof widgetKind = {
      ...widgetKind,
      applyDefaults(object) {
        (object.spec ??= {}).graceSeconds ??= 7;
      },
    };
    for (let time = 0; time < 2; time += 1) {
      const [item] = await encodedList(registry, changed);
      assert.deepEqual(item.spec, { colour: 'grey', graceSeconds: 7 });
    }
  });
});
