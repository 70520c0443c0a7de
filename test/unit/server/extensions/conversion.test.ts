import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { CustomResourceDefinition } from '../../../../protocol/generated/models.ts';
import { customResourceDefinitionKind as definitionKind } from '../../../../protocol/kinds/custom-resource-definition.ts';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { StatusError } from '../../../../protocol/status.ts';
import { eventually } from '../../../support/eventually.ts';
import { startWebhook, type WebhookServer } from '../../../support/webhook-server.ts';
import { type ExtensionsFixture, openExtensions } from './extensions-fixture.ts';

/** v1 has `spec.address` as `host:port`, v2 has both apart. */
interface Place extends KubernetesObject {
  spec?: { address?: string; host?: string; port?: number };
}

interface Review {
  request: { uid: string; desiredAPIVersion: string; objects: Place[] };
}

function converted({ spec, ...object }: Place, apiVersion: string): Place {
  const [host = '', port = '0'] = spec?.address?.split(':') ?? [spec?.host, String(spec?.port)];
  const own = apiVersion.endsWith('v1') ? { address: `${host}:${port}` } : { host, port: Number(port) };
  return { ...object, apiVersion, spec: own };
}

describe('versions that a webhook converts', () => {
  let webhook: WebhookServer;
  const reviews: Review['request'][] = [];
  let twist: (response: Record<string, unknown>) => object = (response) => response;

  before(async () => {
    webhook = await startWebhook((body) => {
      const { request } = body as Review;
      reviews.push(request);
      const convertedObjects = request.objects.map((object) => converted(object, request.desiredAPIVersion));
      const response = { uid: request.uid, result: { status: 'Success' }, convertedObjects };
      return { kind: 'ConversionReview', response: twist(response) };
    });
  });
  after(() => webhook.stop());

  function definition(stored: 'v1' | 'v2'): CustomResourceDefinition {
    const text = { type: 'string' };
    const version = (name: string, properties: Record<string, { type: string }>) => ({
      name,
      served: true,
      storage: name === stored,
      schema: {
        openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } },
      },
    });
    return {
      metadata: { name: 'places.example.com' },
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'places', kind: 'Place' },
        versions: [
          version('v1', { address: text }),
          version('v2', { host: text, port: { type: 'integer' } }),
        ],
        conversion: {
          strategy: 'Webhook',
          webhook: {
            clientConfig: { url: `${webhook.url}/convert`, caBundle: webhook.caBundle },
            conversionReviewVersions: ['v7', 'v1'],
          },
        },
      },
    };
  }

  async function open(): Promise<{
    fixture: ExtensionsFixture;
    kind: (version: string) => KindDefinition<Place>;
  }> {
    const fixture = await openExtensions();
    await fixture.define(definition('v1'));
    reviews.length = 0;
    twist = (response) => response;
    const kind = (version: string) => {
      const found = fixture.kind('Place', version);
      assert.ok(found);
      return found as KindDefinition<Place>;
    };
    return { fixture, kind };
  }

  const at = (name: string) => ({ namespace: 'default', name });

  test('an object is stored under one version and read under each; who reads that version asks nobody', async () => {
    const { fixture, kind } = await open();
    await using _ = fixture;
    const { registry } = fixture;
    const made = await registry.create(kind('v2'), { metadata: at('one'), spec: { host: 'a', port: 80 } });
    assert.deepEqual([made.apiVersion, made.spec], ['example.com/v2', { host: 'a', port: 80 }]);
    assert.equal(reviews.length, 1);
    const stored = await registry.get(kind('v1'), at('one'));
    assert.deepEqual([stored.apiVersion, stored.spec], ['example.com/v1', { address: 'a:80' }]);
    assert.equal(reviews.length, 1);
    const changed = await registry.mutate(kind('v2'), at('one'), (draft) => {
      draft.spec = { ...draft.spec, port: 81 };
    });
    assert.deepEqual(changed.spec, { host: 'a', port: 81 });
    assert.equal(changed.metadata?.generation, 2);
    assert.equal(changed.metadata?.uid, made.metadata?.uid);
    assert.deepEqual((await registry.get(kind('v1'), at('one'))).spec, { address: 'a:81' });
    await registry.delete(kind('v2'), at('one'));
    await fixture.gone(kind('v1'), 'one');
  });

  test('a list is converted at once, and a change once for all who watch', async () => {
    const { fixture, kind } = await open();
    await using _ = fixture;
    const { registry } = fixture;
    for (let count = 0; count < 20; count += 1)
      await registry.create(kind('v1'), { metadata: at(`p${count}`), spec: { address: `h:${count}` } });
    assert.equal(reviews.length, 0);
    const { items, resourceVersion } = await registry.list(kind('v2'));
    assert.equal(items.length, 20);
    assert.ok(items.every(({ spec, apiVersion }) => spec?.host === 'h' && apiVersion === 'example.com/v2'));
    assert.equal(reviews.length, 1);
    const stopping = new AbortController();
    const seen: Place[] = [];
    const watch = async () => {
      const changes = registry.watch(kind('v2'), { resourceVersion, signal: stopping.signal });
      for await (const change of changes) if (change.type !== 'BOOKMARK') seen.push(change.object);
    };
    const watchers = Array.from({ length: 5 }, watch);
    await registry.create(kind('v1'), { metadata: at('new'), spec: { address: 'n:9' } });
    await eventually(() => seen.length === 5, 'all saw it');
    stopping.abort();
    await Promise.all(watchers);
    assert.ok(seen.every(({ spec }) => spec?.port === 9));
    assert.equal(reviews.length, 2);
  });

  test('when another version becomes the stored one, writing what is there moves it', async () => {
    const { fixture, kind } = await open();
    await using _ = fixture;
    const { registry } = fixture;
    await registry.create(kind('v1'), { metadata: at('one'), spec: { address: 'a:80' } });
    const { metadata } = await registry.get(definitionKind, { name: 'places.example.com' });
    const { resourceVersion = '' } = metadata ?? {};
    const before = kind('v2');
    const updated = await registry.update(definitionKind, {
      ...definition('v2'),
      metadata: { name: 'places.example.com', resourceVersion },
    });
    assert.deepEqual(updated.status?.storedVersions, ['v1', 'v2']);
    await eventually(() => fixture.kind('Place', 'v2') !== before, 'the new definition is in force');
    reviews.length = 0;
    assert.deepEqual((await registry.get(kind('v2'), at('one'))).spec, { host: 'a', port: 80 });
    assert.equal(reviews.length, 1);
    await registry.mutate(kind('v2'), at('one'), () => {});
    assert.equal(reviews.length, 2);
    assert.deepEqual((await registry.get(kind('v2'), at('one'))).spec, { host: 'a', port: 80 });
    assert.equal(reviews.length, 2, 'it is stored as v2 now');
  });

  test('a webhook can neither rename an object nor leave one out, and its refusal is told', async () => {
    const { fixture, kind } = await open();
    await using _ = fixture;
    const { registry } = fixture;
    await registry.create(kind('v1'), {
      metadata: { ...at('one'), labels: { a: 'b' }, finalizers: ['example.com/hold'] },
      spec: { address: 'a:80' },
    });
    const words = async (change: typeof twist) => {
      twist = change;
      const error: unknown = await registry.get(kind('v2'), at('one')).catch((error: unknown) => error);
      assert.ok(error instanceof StatusError);
      assert.deepEqual([error.code, error.toStatus().reason], [500, undefined]);
      return error.message.replace('conversion webhook for example.com/v1, Kind=Place ', '');
    };
    const withObject = (change: (place: Record<string, unknown>) => object) => (response: object) => {
      const { convertedObjects } = response as { convertedObjects: Record<string, unknown>[] };
      return { ...response, convertedObjects: convertedObjects.map(change) };
    };
    assert.equal(
      await words(
        withObject((place) => ({ ...place, metadata: { ...(place.metadata as object), name: 'two' } })),
      ),
      'returned invalid converted object at index 0: must have the same name: one != two',
    );
    assert.equal(
      await words(withObject((place) => ({ ...place, apiVersion: 'example.com/v1' }))),
      'returned invalid converted object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v1)',
    );
    assert.equal(
      await words((response) => ({ ...response, convertedObjects: [] })),
      'returned 0 objects, expected 1',
    );
    assert.equal(
      await words((response) => ({ ...response, result: { status: 'Failed', message: 'not today' } })),
      'failed: not today',
    );
    assert.match(
      await words((response) => ({ ...response, uid: 'other' })),
      /^failed: invalid response: expected uid/,
    );
    twist = withObject((place) => ({
      ...place,
      spec: { host: 'a', port: 1, odd: true },
      metadata: {
        name: 'one',
        namespace: 'default',
        uid: (place.metadata as { uid: string }).uid,
        labels: { c: 'd' },
      },
    }));
    const { metadata, spec } = await registry.get(kind('v2'), at('one'));
    assert.deepEqual([metadata?.labels, metadata?.finalizers], [{ c: 'd' }, ['example.com/hold']]);
    assert.deepEqual(spec, { host: 'a', port: 1 });
  });

  test('when nobody converts, the stored version still works', async () => {
    const { fixture, kind } = await open();
    await using _ = fixture;
    const { registry } = fixture;
    webhook.stop();
    await registry.create(kind('v1'), { metadata: at('one'), spec: { address: 'a:80' } });
    await registry.get(kind('v1'), at('one'));
    await assert.rejects(registry.get(kind('v2'), at('one')), {
      message: `conversion webhook for example.com/v1, Kind=Place failed: Post "${webhook.url}/convert": dial tcp ${new URL(webhook.url).host}: connect: connection refused`,
    });
  });
});
