import assert from 'node:assert/strict';
import { Agent } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { parseTokenFile } from '../../../../../server/api/access/bearer-tokens.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';
import { type ApiFixture, openApi } from '../api-fixture.ts';
import { createTestAuthority } from '../test-certificates.ts';

describe('who may do what', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi({ defaultRoles: true });
  });
  after(() => api[Symbol.asyncDispose]());

  test('without credentials every path is 401', async () => {
    for (const path of ['/api/v1/pods', '/version', '/livez', '/nowhere', '/api/v1/../x']) {
      const answer = await api.send('GET', path, { token: null });
      assert.equal(answer.code, 401, path);
      assert.deepEqual(answer.json(), {
        kind: 'Status',
        apiVersion: 'v1',
        metadata: {},
        status: 'Failure',
        message: 'Unauthorized',
        reason: 'Unauthorized',
        details: {},
        code: 401,
      });
    }
  });

  test('a wrong token and another scheme are 401', async () => {
    assert.equal((await api.send('GET', '/version', { token: 'admin-toke' })).code, 401);
    const basic = { Authorization: 'Basic YWRtaW46YWRtaW4=' };
    assert.equal((await api.send('GET', '/version', { token: null, headers: basic })).code, 401);
  });

  test('a client certificate gives its common name and organisations', async () => {
    const admin = api.authority.client('anna', ['system:masters', 'people']);
    assert.equal((await api.send('GET', '/api/v1/pods', { client: admin })).code, 200);
    const other = api.authority.client('otto', ['people']);
    const answer = await api.send('GET', '/api/v1/pods', { client: other });
    assert.equal(answer.code, 403);
    assert.match(answer.json().message, /User "otto"/);
  });

  test('a certificate of another authority is 401, also when it claims to be an admin', async () => {
    const stranger = (await createTestAuthority()).client('anna', ['system:masters']);
    assert.equal((await api.send('GET', '/api/v1/pods', { client: stranger })).code, 401);
  });

  test('a resumed TLS session is still the same user', async () => {
    const { key, certificate } = api.authority.client('anna', ['system:masters']);
    const agent = new Agent({
      keepAlive: false,
      maxCachedSessions: 10,
      ca: api.authority.ca,
      key,
      cert: certificate,
    });
    const codes = [];
    for (let round = 0; round < 3; round++)
      codes.push((await api.send('GET', '/api/v1/pods', { token: null, agent })).code);
    assert.deepEqual(codes, [200, 200, 200]);
  });

  test("refusals are in Kubernetes' words", async () => {
    const cases: [string, string, string][] = [
      [
        'GET',
        '/api/v1/namespaces/default/pods',
        'pods is forbidden: User "dev" cannot list resource "pods" in API group "" in the namespace "default"',
      ],
      [
        'DELETE',
        '/apis/apps/v1/namespaces/default/deployments/web',
        'deployments.apps "web" is forbidden: User "dev" cannot delete resource "deployments" in API group "apps" in the namespace "default"',
      ],
      [
        'GET',
        '/api/v1/nodes',
        'nodes is forbidden: User "dev" cannot list resource "nodes" in API group "" at the cluster scope',
      ],
      [
        'GET',
        '/api/v1/namespaces/default/pods/p/exec',
        'pods "p" is forbidden: User "dev" cannot create resource "pods/exec" in API group "" in the namespace "default"',
      ],
      ['GET', '/secret-path', 'forbidden: User "dev" cannot get path "/secret-path"'],
      ['POST', '/version', 'forbidden: User "dev" cannot post path "/version"'],
    ];
    for (const [method, path, message] of cases) {
      const answer = await api.send(method, path, { token: 'dev-token' });
      assert.equal(answer.code, 403, path);
      assert.equal(answer.json().message, message);
    }
  });

  test('a user without roles sees discovery, version and health, and so does a device', async () => {
    for (const path of [
      '/version',
      '/livez',
      '/readyz',
      '/api',
      '/apis',
      '/api/v1',
      '/apis/apps/v1',
      '/openapi/v3',
    ]) {
      assert.equal((await api.send('GET', path, { token: 'dev-token' })).code, 200, path);
      assert.equal((await api.send('GET', path, { token: 'node-token' })).code, 200, path);
    }
  });

  test('a resource that does not exist is 403 for who may not ask, 404 for who may', async () => {
    assert.equal((await api.send('GET', '/apis/nope/v1/things', { token: 'dev-token' })).code, 403);
    assert.equal((await api.send('GET', '/apis/nope/v1/things')).code, 404);
  });
});

test('a certificate that has run out is refused on a connection that still stands', async () => {
  const clock = new ManualClock(Date.now());
  await using api = await openApi({
    accessClock: clock,
  });
  const { key, certificate } = api.authority.client('anna', ['system:masters']);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: api.authority.ca, key, cert: certificate });
  assert.equal((await api.send('GET', '/api/v1/pods', { token: null, agent })).code, 200);
  clock.jumpWall(2 * 3_600_000);
  assert.equal((await api.send('GET', '/api/v1/pods', { token: null, agent })).code, 401);
  agent.destroy();
});

test('a token file is read as Kubernetes reads it, and a bad line is named but not shown', () => {
  assert.deepEqual(parseTokenFile('t1,anna,1,"a,b"\n\n# note\nt2,otto,2\nt3,eve,3,one\n'), [
    { token: 't1', user: { name: 'anna', uid: '1', groups: ['a', 'b'] } },
    { token: 't2', user: { name: 'otto', uid: '2', groups: [] } },
    { token: 't3', user: { name: 'eve', uid: '3', groups: ['one'] } },
  ]);
  assert.throws(() => parseTokenFile('t1,anna,1\nsecret-token'), /^Error: token file line 2: want/);
});
