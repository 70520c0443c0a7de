import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { componentStatusKind } from '../../../../protocol/kinds/component-status.ts';
import { apiVersionOf } from '../../../../protocol/kinds/define-kind.ts';
import { metricsKinds } from '../../../../protocol/kinds/metrics.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { reviewKinds } from '../../../../protocol/kinds/reviews.ts';
import { type ApiFixture, type Json, openApi } from './api-fixture.ts';
import { samplePod } from './sample-objects.ts';

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

describe('discovery, OpenAPI, version and health', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi({
      checks: [
        { name: 'store', check: () => {} },
        {
          name: 'bus',
          scope: 'ready',
          check: () => {
            throw new Error('not connected');
          },
        },
      ],
    });
  });
  after(() => api[Symbol.asyncDispose]());

  async function get(path: string, headers: Record<string, string> = {}): Promise<Json> {
    const answer = await api.send('GET', path, { headers });
    assert.equal(answer.code, 200, path);
    return answer.json();
  }

  test('every kind is found by walking from /api and /apis', async () => {
    const versions: string[] = (await get('/api')).versions.map((version: string) => `/api/${version}`);
    for (const group of (await get('/apis')).groups) {
      assert.deepEqual((await get(`/apis/${group.name}`)).versions, group.versions);
      versions.push(...group.versions.map((version: Json) => `/apis/${version.groupVersion}`));
    }
    const found = [];
    for (const path of versions) {
      const list = await get(path);
      for (const resource of list.resources)
        if (!resource.name.includes('/'))
          found.push(`${list.groupVersion} ${resource.name} ${resource.kind}`);
    }
    assert.deepEqual(
      found.sort(),
      [...kinds, ...reviewKinds, ...metricsKinds, componentStatusKind]
        .map((kind) => `${apiVersionOf(kind)} ${kind.plural} ${kind.kind}`)
        .sort(),
    );
  });

  test('what discovery names answers, and what it does not name is 404', async () => {
    const { resources } = await get('/api/v1');
    const names = resources.map(({ name }: Json) => name);
    assert.ok(
      names.includes('pods/log') && names.includes('pods/exec') && names.includes('namespaces/finalize'),
    );
    assert.ok(!names.includes('pods/nothing'));
    assert.equal((await api.send('POST', '/api/v1/namespaces/default/pods/p/nothing')).code, 404);
    for (const { name, namespaced, verbs } of resources) {
      if (name.includes('/')) continue;
      const path = namespaced ? `/api/v1/namespaces/default/${name}` : `/api/v1/${name}`;
      if (verbs.includes('list')) await get(path);
    }
  });

  test('aggregated discovery holds the same in one document, with an entity tag', async () => {
    const answer = await api.send('GET', '/apis', { headers: { Accept: `${aggregated},application/json` } });
    assert.equal(answer.headers['content-type'], aggregated);
    const apps = answer.json().items.find(({ metadata }: Json) => metadata.name === 'apps');
    const deployments = apps.versions[0].resources.find(({ resource }: Json) => resource === 'deployments');
    assert.deepEqual(
      deployments.subresources.map(({ subresource, responseKind }: Json) => [subresource, responseKind.kind]),
      [
        ['scale', 'Scale'],
        ['status', 'Deployment'],
      ],
    );
    const again = await api.send('GET', '/apis', {
      headers: { Accept: aggregated, 'If-None-Match': answer.headers.etag ?? '' },
    });
    assert.deepEqual([again.code, again.text], [304, '']);
    const beta = await api.send('GET', '/api', {
      headers: { Accept: aggregated.replace('v=v2', 'v=v2beta1') },
    });
    assert.equal(beta.json().apiVersion, 'apidiscovery.k8s.io/v2beta1');
  });

  test('OpenAPI 3 documents are complete: every reference resolves, every kind can be patched with validation', async () => {
    const { paths } = await get('/openapi/v3');
    const patched = new Set<string>();
    for (const { serverRelativeURL } of Object.values<Json>(paths)) {
      const document = await get(serverRelativeURL);
      for (const name of referencesIn(document)) assert.ok(document.components.schemas[name], name);
      for (const item of Object.values<Json>(document.paths)) {
        if (item.patch?.['x-kubernetes-action'] !== 'patch') continue;
        assert.ok(item.patch.parameters.some(({ name }: Json) => name === 'fieldValidation'));
        assert.ok('application/strategic-merge-patch+json' in item.patch.requestBody.content);
        patched.add(item.patch['x-kubernetes-group-version-kind'].kind);
      }
    }
    for (const { kind } of kinds) assert.ok(patched.has(kind), kind);
  });

  test('an OpenAPI document asked for by its hash may be kept for ever', async () => {
    const { paths } = await get('/openapi/v3');
    const answer = await api.send('GET', paths['apis/apps/v1'].serverRelativeURL);
    assert.match(answer.headers['cache-control'] ?? '', /immutable/);
    assert.doesNotMatch(
      (await api.send('GET', '/openapi/v3/apis/apps/v1')).headers['cache-control'] ?? '',
      /immutable/,
    );
    assert.equal((await api.send('GET', '/openapi/v3/apis/nope/v1')).code, 404);
  });

  test('OpenAPI 2 refers to nothing that it lacks', async () => {
    const document = await get('/openapi/v2');
    assert.equal(document.swagger, '2.0');
    for (const name of referencesIn(document)) assert.ok(document.definitions[name], name);
    const protobuf = { headers: { Accept: 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf' } };
    assert.equal((await api.send('GET', '/openapi/v2', protobuf)).code, 406);
  });

  test('a Table has the columns of the kind and as much of each object as was asked for', async () => {
    const pods = '/api/v1/namespaces/default/pods';
    await api.create(pods, samplePod('shown'));
    const headers = { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
    const table = await get(pods, headers);
    assert.deepEqual([table.kind, table.apiVersion], ['Table', 'meta.k8s.io/v1']);
    assert.deepEqual(
      table.columnDefinitions.slice(0, 3).map(({ name }: Json) => name),
      ['Name', 'Ready', 'Status'],
    );
    assert.deepEqual(table.rows[0].cells.slice(0, 3), ['shown', '0/1', 'Pending']);
    assert.equal(table.rows[0].object.kind, 'PartialObjectMetadata');
    assert.equal((await get(`${pods}?includeObject=None`, headers)).rows[0].object, undefined);
    assert.equal(
      (await get(`${pods}?includeObject=Object`, headers)).rows[0].object.spec.containers[0].name,
      'main',
    );
    assert.equal((await get(`${pods}/shown`, headers)).rows.length, 1);
    const wrong = await api.send('GET', `${pods}?includeObject=Half`, { headers });
    assert.equal(wrong.code, 400);
  });

  test('metadata alone is served for lists and single objects', async () => {
    const list = await get('/api/v1/namespaces', {
      Accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
    });
    assert.equal(list.kind, 'PartialObjectMetadataList');
    assert.deepEqual(Object.keys(list.items[0]).sort(), ['apiVersion', 'kind', 'metadata']);
    const one = await get('/api/v1/namespaces/default', {
      Accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
    });
    assert.deepEqual(
      [one.kind, one.metadata.name, one.spec],
      ['PartialObjectMetadata', 'default', undefined],
    );
  });

  test('the version names the Kubernetes release and our own', async () => {
    const { major, minor, gitVersion } = await get('/version');
    assert.deepEqual([major, minor, gitVersion], ['1', '36', 'v1.36.0+flotilla-0.1.0']);
  });

  test('liveness does not depend on what only readiness needs; failures tell no details', async () => {
    assert.equal((await api.send('GET', '/livez')).text, 'ok');
    const verbose = (await api.send('GET', '/livez?verbose')).text;
    assert.equal(verbose, '[+]ping ok\n[+]store ok\nlivez check passed\n');
    const ready = await api.send('GET', '/readyz');
    assert.equal(ready.code, 500);
    assert.match(ready.text, /^\[-\]bus failed: reason withheld$/m);
    assert.equal((await api.send('GET', '/readyz?exclude=bus')).text, 'ok');
    assert.equal((await api.send('GET', '/readyz/bus')).code, 500);
    assert.equal((await api.send('GET', '/livez/store')).text, 'ok');
    assert.equal((await api.send('GET', '/livez/nothing')).code, 404);
  });

  test('paths that are not there are a 404 Status, and methods that make no sense a 405', async () => {
    for (const path of ['/nope', '/version/x', '/api/v2', '/apis/apps/v9', '/openapi/v4', '/apis/nope'])
      assert.deepEqual((await api.send('GET', path)).json(), {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'the server could not find the requested resource',
        reason: 'NotFound',
        details: {},
        code: 404,
      });
    assert.equal((await api.send('POST', '/version', { body: {} })).code, 405);
    assert.ok((await get('/')).paths.includes('/apis/apps/v1'));
  });
});

function referencesIn(document: Json): Set<string> {
  const references = JSON.stringify(document).matchAll(
    /"\$ref":"#\/(?:components\/schemas|definitions)\/([^"]+)"/g,
  );
  return new Set([...references].map(([, name]) => name ?? ''));
}
