import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { CustomResourceDefinition } from '../../../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { startWebhook, type WebhookServer } from '../../../support/webhook-server.ts';
import { openExtensions } from '../extensions/extensions-fixture.ts';
import { type Json, openApi } from './api-fixture.ts';

/** v1 has `spec.address` as `host:port`, v2 has both apart: who owns what is told across the versions. */
interface Place extends KubernetesObject {
  spec?: { address?: string; host?: string; port?: number; note?: string };
}

let webhook: WebhookServer;
before(async () => {
  webhook = await startWebhook((body) => {
    const { request } = body as { request: { uid: string; desiredAPIVersion: string; objects: Place[] } };
    const convertedObjects = request.objects.map((place) => converted(place, request.desiredAPIVersion));
    const response = { uid: request.uid, result: { status: 'Success' }, convertedObjects };
    return { kind: 'ConversionReview', response };
  });
});
after(() => webhook.stop());

function converted({ spec = {}, ...object }: Place, apiVersion: string): Place {
  const { address, host, port, note } = spec;
  const [left, right] = address?.split(':') ?? [host, port];
  const hasAny = left !== undefined || right !== undefined;
  const parts = apiVersion.endsWith('v1')
    ? hasAny && { address: `${left ?? ''}:${right ?? 0}` }
    : {
        ...(left === undefined ? {} : { host: String(left) }),
        ...(right === undefined ? {} : { port: Number(right) }),
      };
  return { ...object, apiVersion, spec: { ...parts, ...(note === undefined ? {} : { note }) } };
}

function definition(): CustomResourceDefinition {
  const version = (name: string, properties: Record<string, { type: string }>) => ({
    name,
    served: true,
    storage: name === 'v1',
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
  });
  const text = { type: 'string' };
  return {
    metadata: { name: 'places.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'places', kind: 'Place' },
      versions: [
        version('v1', { address: text, note: text }),
        version('v2', { host: text, port: { type: 'integer' }, note: text }),
      ],
      conversion: {
        strategy: 'Webhook',
        webhook: {
          clientConfig: { url: `${webhook.url}/convert`, caBundle: webhook.caBundle },
          conversionReviewVersions: ['v1'],
        },
      },
    },
  };
}

async function open() {
  const parts = new AsyncDisposableStack();
  const fixture = parts.use(await openExtensions());
  await fixture.define(definition());
  const api = parts.use(await openApi({ kinds: fixture.extensions.kinds }, () => fixture.registry));
  const at = (version: string) => `/apis/example.com/${version}/namespaces/default/places/one`;
  const place = (version: string, spec: object) => ({
    apiVersion: `example.com/${version}`,
    kind: 'Place',
    metadata: { name: 'one' },
    spec,
  });
  return {
    apply: (version: string, spec: object, query: string) =>
      api.send('PATCH', `${at(version)}?${query}`, {
        body: place(version, spec),
        contentType: 'application/apply-patch+yaml',
      }),
    patch: (version: string, spec: object, manager: string) =>
      api.send('PATCH', `${at(version)}?fieldManager=${manager}`, {
        body: { spec },
        contentType: 'application/merge-patch+json',
      }),
    async owners(version = 'v1') {
      const { metadata } = (await api.send('GET', at(version))).json();
      return Object.fromEntries(
        metadata.managedFields.map(({ manager, fieldsV1 }: Json) => [
          manager,
          Object.keys(fieldsV1['f:spec'] ?? {}).sort(),
        ]),
      );
    },
    spec: async (version: string) => (await api.send('GET', at(version))).json().spec,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

test('a write under one version takes the fields of who wrote them under another', async () => {
  await using world = await open();
  const { apply, patch, owners } = world;
  assert.equal((await apply('v1', { address: 'a:80', note: 'x' }, 'fieldManager=one')).code, 201);
  assert.equal((await patch('v2', { port: 81 }, 'two')).code, 200);
  assert.deepEqual(await owners(), { one: ['f:note'], two: ['f:port'] });
});

test('an apply under one version is in conflict with who applied under another, in that one’s words', async () => {
  await using world = await open();
  const { apply, owners, spec } = world;
  await apply('v1', { address: 'a:80', note: 'x' }, 'fieldManager=one');
  const same = await apply('v2', { host: 'a' }, 'fieldManager=two');
  assert.equal(same.code, 200, 'what changes nothing is shared');
  const refused = await apply('v2', { port: 81 }, 'fieldManager=three');
  assert.equal(refused.code, 409);
  assert.equal(refused.json().message, 'Apply failed with 1 conflict: conflict with "one": .spec.address');
  const forced = await apply('v2', { port: 81 }, 'fieldManager=three&force=true');
  assert.equal(forced.code, 200);
  assert.deepEqual(await owners(), { one: ['f:note'], two: ['f:host'], three: ['f:port'] });
  assert.deepEqual(await spec('v1'), { address: 'a:81', note: 'x' });
});

test('who goes on under a newer version lets go of what it does not say any more', async () => {
  await using world = await open();
  const { apply, owners, spec } = world;
  await apply('v1', { address: 'a:80', note: 'x' }, 'fieldManager=one');
  assert.equal((await apply('v2', { host: 'a', port: 80 }, 'fieldManager=one')).code, 200);
  assert.deepEqual(await spec('v1'), { address: 'a:80' });
  assert.deepEqual(await owners('v2'), { one: ['f:host', 'f:port'] });
});
