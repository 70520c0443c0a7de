import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ApiFixture, openApi } from '../api-fixture.ts';

const group = '/apis/authorization.k8s.io/v1';

describe('access reviews', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi({ defaultRoles: true });
    await api.createSeen('/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles', {
      metadata: { name: 'reader' },
      rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
    });
    await api.createSeen('/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
      metadata: { name: 'reader' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'reader' },
      subjects: [{ kind: 'Group', name: 'team-a' }],
    });
  });
  after(() => api[Symbol.asyncDispose]());

  const ask = async (path: string, body: object, token = 'admin-token') => {
    const answer = await api.send('POST', `${group}/${path}`, { body, token });
    return { code: answer.code, body: answer.json() };
  };
  const getPod = { namespace: 'default', verb: 'get', resource: 'pods', name: 'x' };

  test('say about oneself what a request would meet, with the reason', async () => {
    const own = (spec: object) => ask('selfsubjectaccessreviews', { spec }, 'dev-token');
    const yes = await own({ resourceAttributes: getPod });
    assert.equal(yes.code, 201);
    assert.deepEqual(yes.body.status, {
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "reader/default" of Role "reader" to Group "team-a"',
    });
    assert.deepEqual((await own({ resourceAttributes: { ...getPod, namespace: 'other' } })).body.status, {
      allowed: false,
    });
    assert.equal(
      (await own({ nonResourceAttributes: { verb: 'get', path: '/version' } })).body.status.allowed,
      true,
    );
  });

  test('say about others only to who may ask, and within a namespace only about it', async () => {
    const spec = { resourceAttributes: getPod, user: 'u', groups: ['team-a'] };
    assert.equal((await ask('subjectaccessreviews', { spec })).body.status.allowed, true);
    assert.equal(
      (await ask('subjectaccessreviews', { spec: { ...spec, groups: [] } })).body.status.allowed,
      false,
    );
    assert.equal((await ask('subjectaccessreviews', { spec }, 'dev-token')).code, 403);
    const local = 'namespaces/default/localsubjectaccessreviews';
    assert.equal((await ask(local, { spec })).body.status.allowed, true);
    const elsewhere = { ...spec, resourceAttributes: { ...getPod, namespace: 'other' } };
    assert.equal((await ask(local, { spec: elsewhere })).code, 400);
  });

  test('a question that is none, or two, is refused', async () => {
    for (const spec of [{}, { resourceAttributes: getPod, nonResourceAttributes: { verb: 'get' } }])
      assert.equal((await ask('selfsubjectaccessreviews', { spec })).code, 422);
    assert.equal((await ask('subjectaccessreviews', { spec: { resourceAttributes: getPod } })).code, 422);
    assert.equal((await ask('selfsubjectrulesreviews', { spec: {} })).code, 400);
  });

  test('list the rules of a namespace, those of the cluster among them', async () => {
    const { body } = await ask('selfsubjectrulesreviews', { spec: { namespace: 'default' } }, 'dev-token');
    const { resourceRules, nonResourceRules, incomplete } = body.status;
    assert.equal(incomplete, false);
    assert.deepEqual(resourceRules.at(-1), { verbs: ['get'], apiGroups: [''], resources: ['pods'] });
    assert.ok(
      nonResourceRules.some(({ nonResourceURLs }: { nonResourceURLs: string[] }) =>
        nonResourceURLs.includes('/api/*'),
      ),
    );
    const masters = await ask('selfsubjectrulesreviews', { spec: { namespace: 'x' } });
    assert.deepEqual(masters.body.status.resourceRules, [
      { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    ]);
  });

  test('are asked, and neither listed, read nor kept', async () => {
    const { resourceVersion } = api.registry;
    await ask('selfsubjectaccessreviews', { spec: { resourceAttributes: getPod } });
    assert.equal(api.registry.resourceVersion, resourceVersion);
    assert.equal((await api.send('GET', `${group}/selfsubjectaccessreviews`)).code, 405);
    assert.equal((await api.send('DELETE', `${group}/selfsubjectaccessreviews/x`)).code, 405);
  });
});
