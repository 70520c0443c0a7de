import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { apiVersionOf, type KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { kinds } from '../../protocol/kinds/registry.ts';
import { anySampleOf, sampleName } from '../support/kind-samples.ts';
import { type Answer, type ApiFixture, type Json, openApi } from '../unit/server/api/api-fixture.ts';

/** What Kubernetes' API does the same for every kind, in the words in which it refuses. */
const patches = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};
const label = { sweep: 'yes' };
/** Deletion only begins: somebody else lets go of them. */
const held = ['Namespace', 'CustomResourceDefinition'];

function placesOf(kind: KindDefinition) {
  const root = kind.group === '' ? '/api/v1' : `/apis/${apiVersionOf(kind)}`;
  const collection = `${root}${kind.namespaced ? '/namespaces/default' : ''}/${kind.plural}`;
  return { collection, item: `${collection}/${sampleName(kind)}` };
}

function objectOf(kind: KindDefinition): Json {
  const { metadata = {}, ...sample } = anySampleOf(kind) as Json;
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    ...sample,
    metadata: { ...metadata, name: sampleName(kind), labels: { ...metadata.labels, ...label } },
  };
}

/** The events of both groups are the same objects, and what is said of a stored one names the core group. */
const keptAs = (kind: KindDefinition) => (kind.group === 'events.k8s.io' ? { ...kind, group: '' } : kind);
const resourceText = ({ group, plural }: KindDefinition) => (group === '' ? plural : `${plural}.${group}`);

function refusedWith(answer: Answer, code: number, reason: string, message?: string | RegExp): void {
  assert.equal(answer.code, code, answer.text);
  const status = answer.json();
  assert.deepEqual([status.kind, status.apiVersion, status.status], ['Status', 'v1', 'Failure']);
  assert.deepEqual([status.reason, status.code], [reason, code]);
  if (typeof message === 'string') assert.equal(status.message, message);
  else if (message) assert.match(status.message, message);
}

describe('every kind of the API', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
  });
  after(() => api[Symbol.asyncDispose]());

  const send = async (method: string, path: string, body?: unknown, contentType = 'application/json') =>
    api.send(method, path, { ...(body === undefined ? {} : { body }), contentType });
  const as = (path: string, accept: string) => api.send('GET', path, { headers: { Accept: accept } });
  const fine = (answer: Answer, code = 200): Json => {
    assert.equal(answer.code, code, answer.text);
    return answer.json();
  };

  async function creates(kind: KindDefinition): Promise<Json> {
    const { collection, item } = placesOf(kind);
    const name = sampleName(kind);
    fine(await send('POST', `${collection}?dryRun=All`, objectOf(kind)), 201);
    refusedWith(await send('GET', item), 404, 'NotFound', `${resourceText(kind)} "${name}" not found`);
    const made = fine(await send('POST', `${collection}?fieldManager=sweep`, objectOf(kind)), 201);
    assert.deepEqual([made.apiVersion, made.kind], [apiVersionOf(kind), kind.kind]);
    assert.equal(made.metadata.managedFields?.[0]?.manager, 'sweep');
    const again = await send('POST', collection, objectOf(kind));
    refusedWith(again, 409, 'AlreadyExists', `${resourceText(keptAs(kind))} "${name}" already exists`);
    assert.deepEqual(again.json().details, {
      name,
      ...(keptAs(kind).group === '' ? {} : { group: kind.group }),
      kind: kind.plural,
    });
    return made;
  }

  async function reads(kind: KindDefinition): Promise<void> {
    const { collection, item } = placesOf(kind);
    const name = sampleName(kind);
    const list = fine(await send('GET', `${collection}?fieldSelector=metadata.name%3D${name}`));
    assert.deepEqual([list.kind, list.items.length], [`${kind.kind}List`, 1]);
    fine(await send('GET', `${collection}?resourceVersion=0`));
    refusedWith(
      await send('GET', `${collection}?resourceVersionMatch=Exact`),
      422,
      'Invalid',
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
    );
    const names: string[] = [];
    let next = '';
    do {
      const page = fine(await send('GET', `${collection}?limit=1&continue=${next}`));
      names.push(...page.items.map(({ metadata }: Json) => metadata.name));
      next = encodeURIComponent(page.metadata.continue ?? '');
    } while (next !== '');
    assert.ok(names.includes(name));
    const table = fine(await as(item, 'application/json;as=Table;g=meta.k8s.io;v=v1'));
    assert.deepEqual([table.kind, table.rows[0].cells.length], ['Table', table.columnDefinitions.length]);
    const partial = fine(await as(item, 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1'));
    assert.deepEqual(
      [partial.kind, Object.keys(partial).sort()],
      ['PartialObjectMetadata', ['apiVersion', 'kind', 'metadata']],
    );
    const partials = fine(
      await as(collection, 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'),
    );
    assert.equal(partials.kind, 'PartialObjectMetadataList');
  }

  async function writes(kind: KindDefinition, made: Json): Promise<void> {
    const { item } = placesOf(kind);
    const name = sampleName(kind);
    const same = fine(await send('PUT', item, made));
    assert.equal(same.metadata.resourceVersion, made.metadata.resourceVersion, 'no change is no write');
    const merge = { metadata: { annotations: { merge: '1' } } };
    fine(await send('PATCH', item, merge, patches.merge));
    const stale = await send('PUT', item, made);
    const modified = `Operation cannot be fulfilled on ${resourceText(keptAs(kind))} "${name}": the object has been modified; please apply your changes to the latest version and try again`;
    refusedWith(stale, 409, 'Conflict', modified);
    const other = await send('PUT', item, { ...made, metadata: { ...made.metadata, name: 'other' } });
    refusedWith(
      other,
      400,
      'BadRequest',
      /the name of the object \(other\) does not match the name on the URL/,
    );
    const add = [{ op: 'add', path: '/metadata/annotations/json', value: '1' }];
    fine(await send('PATCH', item, add, patches.json));
    const probe = [{ op: 'test', path: '/metadata/name', value: 'x' }];
    assert.equal((await send('PATCH', item, probe, patches.json)).code, 422);
    fine(await send('PATCH', item, { metadata: { annotations: { strategic: '1' } } }, patches.strategic));
    const wanted = {
      apiVersion: apiVersionOf(kind),
      kind: kind.kind,
      metadata: { name, annotations: { apply: '1' } },
    };
    const applied = fine(await send('PATCH', `${item}?fieldManager=applier`, wanted, patches.apply));
    assert.deepEqual(Object.keys(applied.metadata.annotations).sort(), [
      'apply',
      'json',
      'merge',
      'strategic',
    ]);
    fine(
      await send('PATCH', `${item}?dryRun=All`, { metadata: { annotations: { dry: '1' } } }, patches.merge),
    );
    assert.equal(fine(await send('GET', item)).metadata.annotations.dry, undefined);
    if (!kind.subresources.includes('status')) return;
    const before = fine(await send('GET', `${item}/status`));
    const touched = fine(await send('PATCH', `${item}/status`, { spec: { nothing: 1 } }, patches.merge));
    assert.deepEqual([touched.spec, touched.metadata.generation], [before.spec, before.metadata.generation]);
  }

  async function refuses(kind: KindDefinition): Promise<void> {
    const { collection, item } = placesOf(kind);
    const notAllowed = 'the server does not allow this method on the requested resource';
    refusedWith(await send('POST', item, objectOf(kind)), 405, 'MethodNotAllowed', notAllowed);
    refusedWith(await send('PATCH', collection, {}, patches.merge), 405, 'MethodNotAllowed', notAllowed);
    refusedWith(
      await as(item, 'image/png'),
      406,
      'NotAcceptable',
      /^only the following media types are accepted: /,
    );
    refusedWith(
      await send('POST', collection, 'x', 'text/plain'),
      415,
      'UnsupportedMediaType',
      /the body of the request was in an unknown format/,
    );
    refusedWith(
      await send('PATCH', item, {}),
      415,
      'UnsupportedMediaType',
      /the body of the request was in an unknown format - accepted media types include: /,
    );
    refusedWith(
      await send('POST', `${collection}?fieldValidation=Strict`, { ...objectOf(kind), odd: 1 }),
      400,
      'BadRequest',
      /strict decoding error: unknown field "odd"$/,
    );
  }

  async function deletes(kind: KindDefinition): Promise<void> {
    const { collection, item } = placesOf(kind);
    fine(await send('DELETE', `${item}?dryRun=All`));
    fine(await send('GET', item));
    const wrong = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'other' } };
    refusedWith(
      await send('DELETE', item, wrong),
      409,
      'Conflict',
      /Precondition failed: UID in precondition: other, UID in object meta: /,
    );
    fine(await send('DELETE', item));
    if (held.includes(kind.kind)) return;
    refusedWith(await send('GET', item), 404, 'NotFound');
    if (!kind.verbs.includes('deletecollection')) return;
    fine(await send('POST', collection, objectOf(kind)), 201);
    const gone = fine(await send('DELETE', `${collection}?labelSelector=sweep%3Dyes`));
    assert.equal(gone.items?.length ?? 1, 1);
    refusedWith(await send('GET', item), 404, 'NotFound');
  }

  async function isWatched(kind: KindDefinition, resourceVersion: string): Promise<void> {
    const { collection } = placesOf(kind);
    const query = `watch=true&timeoutSeconds=1&resourceVersion=${resourceVersion}&labelSelector=sweep%3Dyes`;
    const { text } = await send('GET', `${collection}?${query}`);
    const lines = text.split('\n').filter((line) => line !== '');
    const types = lines.map((line) => (JSON.parse(line) as { type: string }).type);
    assert.deepEqual([types[0], types.includes('MODIFIED')], ['ADDED', true]);
    if (!held.includes(kind.kind)) assert.equal(types.at(-1), 'DELETED');
  }

  for (const kind of kinds.filter(({ verbs }) => verbs.includes('create')))
    test(`${apiVersionOf(kind)} ${kind.kind}`, async () => {
      const { resourceVersion } = api.registry;
      const made = await creates(kind);
      await reads(kind);
      await writes(kind, made);
      await refuses(kind);
      await deletes(kind);
      await isWatched(kind, resourceVersion);
    });
});
