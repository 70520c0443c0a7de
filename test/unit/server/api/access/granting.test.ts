import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { roleKind } from '../../../../../protocol/kinds/role.ts';
import { eventually } from '../../../../support/eventually.ts';
import { type Answer, type ApiFixture, openApi } from '../api-fixture.ts';

const rbac = '/apis/rbac.authorization.k8s.io/v1';
const here = `${rbac}/namespaces/default`;
const apiGroup = 'rbac.authorization.k8s.io';

describe('nobody gives what they do not have', () => {
  let api: ApiFixture;
  const dev = { token: 'dev-token' };
  const post = (path: string, body: object) => api.send('POST', path, { ...dev, body });
  const role = (name: string, verbs: string[], resources: string[]) => ({
    metadata: { name },
    rules: [{ verbs, apiGroups: [''], resources }],
  });
  const bindTo = (name: string, kind: string, roleName: string) => ({
    metadata: { name },
    roleRef: { apiGroup, kind, name: roleName },
    subjects: [{ kind: 'User', name: 'eve' }],
  });

  before(async () => {
    api = await openApi({ defaultRoles: true });
    await api.createSeen(`${rbac}/clusterroles`, {
      metadata: { name: 'role-keeper' },
      rules: [
        { verbs: ['*'], apiGroups: [apiGroup], resources: ['roles', 'rolebindings', 'clusterroles'] },
        { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] },
      ].map((rule) => ({ ...rule, verbs: rule.verbs.includes('*') ? allButSpecial : rule.verbs })),
    });
    await api.createSeen(`${rbac}/clusterrolebindings`, {
      metadata: { name: 'role-keeper' },
      roleRef: { apiGroup, kind: 'ClusterRole', name: 'role-keeper' },
      subjects: [{ kind: 'Group', name: 'team-a' }],
    });
  });
  after(() => api[Symbol.asyncDispose]());

  const allButSpecial = ['create', 'get', 'list', 'update', 'patch', 'delete'];
  const refused = (answer: Answer, message: RegExp) => {
    assert.equal(answer.code, 403, answer.text);
    assert.match(answer.json().message, message);
  };

  test('a role may be made of rights that one holds', async () => {
    assert.equal((await post(`${here}/roles`, role('reader', ['get'], ['pods']))).code, 201);
    await eventually(
      () => api.cache.informer(roleKind).get('default', 'reader') !== undefined,
      'the role in the cache',
    );
    assert.equal((await post(`${here}/rolebindings`, bindTo('reader', 'Role', 'reader'))).code, 201);
  });

  test('neither created, updated, patched nor applied under another type can a role get more', async () => {
    assert.equal((await post(`${here}/roles`, role('mine', ['get'], ['pods']))).code, 201);
    const message =
      /^roles\.rbac\.authorization\.k8s\.io "\w+" is forbidden: user "dev" \(groups=\["team-a" "team-b" "system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\[""\], Resources:\["secrets"\], Verbs:\["get"\]\}$/;
    refused(await post(`${here}/roles`, role('more', ['get'], ['secrets'])), message);
    const more = role('mine', ['get'], ['pods', 'secrets']);
    refused(await api.send('PUT', `${here}/roles/mine`, { ...dev, body: more }), message);
    for (const [contentType, body] of [
      ['application/merge-patch+json', { rules: more.rules }],
      ['application/strategic-merge-patch+json', { rules: more.rules }],
      ['application/json-patch+json', [{ op: 'add', path: '/rules/0/resources/-', value: 'secrets' }]],
    ] as const)
      refused(await api.send('PATCH', `${here}/roles/mine`, { ...dev, body, contentType }), message);
    const dry = await api.send('PUT', `${here}/roles/mine?dryRun=All`, { ...dev, body: more });
    refused(dry, message);
  });

  test('a role that holds more than oneself can be labelled by nobody but who holds as much', async () => {
    await api.createSeen(`${here}/roles`, role('strong', ['*'], ['*']));
    const body = { metadata: { labels: { a: 'b' } } };
    const contentType = 'application/merge-patch+json';
    refused(
      await api.send('PATCH', `${here}/roles/strong`, { ...dev, body, contentType }),
      /not currently held/,
    );
    const owners = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'y' }];
    const owned = { metadata: { ownerReferences: owners } };
    assert.equal(
      (await api.send('PATCH', `${here}/roles/strong`, { ...dev, body: owned, contentType })).code,
      200,
    );
  });

  test('a binding to a stronger role is refused, and so is one to no role', async () => {
    refused(
      await post(`${here}/rolebindings`, bindTo('up', 'ClusterRole', 'cluster-admin')),
      /^rolebindings\.rbac\.authorization\.k8s\.io "up" is forbidden: user "dev" .*not currently held:\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}\n\{NonResourceURLs/,
    );
    const none = await post(`${here}/rolebindings`, bindTo('none', 'ClusterRole', 'no-such'));
    assert.equal(none.code, 404);
    assert.match(none.json().message, /^clusterroles\.rbac\.authorization\.k8s\.io "no-such" not found$/);
  });

  test('aggregation can gather anything, and so needs everything', async () => {
    const gathering = {
      metadata: { name: 'gathering' },
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { a: 'b' } }] },
    };
    refused(
      await post(`${rbac}/clusterroles`, gathering),
      /must have cluster-admin privileges to use an aggregationRule$/,
    );
    assert.equal((await api.send('POST', `${rbac}/clusterroles`, { body: gathering })).code, 201);
  });

  test('the verbs bind and escalate give leave', async () => {
    await api.createSeen(`${here}/roles`, {
      metadata: { name: 'special' },
      rules: [
        { verbs: ['bind'], apiGroups: [apiGroup], resources: ['clusterroles'], resourceNames: ['edit'] },
        { verbs: ['escalate'], apiGroups: [apiGroup], resources: ['roles'], resourceNames: ['raised'] },
      ],
    });
    await api.createSeen(`${here}/rolebindings`, {
      metadata: { name: 'special' },
      roleRef: { apiGroup, kind: 'Role', name: 'special' },
      subjects: [{ kind: 'User', name: 'dev' }],
    });
    assert.equal((await post(`${here}/rolebindings`, bindTo('edit', 'ClusterRole', 'edit'))).code, 201);
    assert.equal((await post(`${here}/roles`, role('raised', ['*'], ['secrets']))).code, 201);
    refused(
      await post(`${here}/rolebindings`, bindTo('admin', 'ClusterRole', 'cluster-admin')),
      /not currently held/,
    );
  });

  test('roles and bindings that make no sense are refused with the fields', async () => {
    const causes = async (path: string, body: object) => {
      const answer = await api.send('POST', path, { body });
      assert.equal(answer.code, 422, answer.text);
      return answer
        .json()
        .details.causes.map(
          (cause: { field: string; message: string }) => `${cause.field}: ${cause.message}`,
        );
    };
    assert.deepEqual(
      await causes(`${here}/roles`, {
        metadata: { name: 'x' },
        rules: [{ verbs: [], nonResourceURLs: ['/x'] }, { verbs: ['get'] }],
      }),
      [
        'rules[0].verbs: Required value: verbs must contain at least one value',
        'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        'rules[1].apiGroups: Required value: resource rules must supply at least one api group',
        'rules[1].resources: Required value: resource rules must supply at least one resource',
      ],
    );
    assert.deepEqual(
      await causes(`${rbac}/clusterrolebindings`, {
        metadata: { name: 'x' },
        roleRef: { kind: 'Role', name: 'a/b' },
        subjects: [
          { kind: 'ServiceAccount', name: 'bot' },
          { kind: 'Robot', name: 'r' },
        ],
      }),
      [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        `roleRef.name: Invalid value: "a/b": may not contain '/'`,
        'subjects[0].namespace: Required value',
        'subjects[1].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
      ],
    );
    const body = { ...bindTo('reader', 'Role', 'other'), metadata: { name: 'reader' } };
    const changed = await api.send('PUT', `${here}/rolebindings/reader`, { body });
    assert.equal(changed.code, 422);
    assert.match(changed.json().message, /roleRef: Invalid value: .*cannot change roleRef/);
  });
});

test('a right within a namespace reaches no cluster-wide object that happens to be called like it', async () => {
  await using api = await openApi({ defaultRoles: true });
  await api.create('/api/v1/namespaces', { metadata: { name: 'cluster-admin' } });
  await api.createSeen(`${rbac}/namespaces/cluster-admin/rolebindings`, {
    metadata: { name: 'all' },
    roleRef: { apiGroup, kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'User', name: 'dev' }],
  });
  const dev = { token: 'dev-token' };
  assert.equal((await api.send('GET', '/api/v1/namespaces/cluster-admin/secrets', dev)).code, 200);
  assert.equal((await api.send('GET', '/api/v1/namespaces/cluster-admin', dev)).code, 200);
  assert.equal((await api.send('GET', '/api/v1/namespaces/default', dev)).code, 403);
  const trick = `${rbac}/namespaces/cluster-admin/clusterroles/cluster-admin`;
  for (const method of ['GET', 'DELETE']) assert.equal((await api.send(method, trick, dev)).code, 404);
  assert.equal((await api.send('GET', '/api/v1/namespaces/cluster-admin/namespaces/default', dev)).code, 404);
});

test('a list of one name is allowed to who may list that name', async () => {
  await using api = await openApi({ defaultRoles: true });
  await api.createSeen(`${here}/roles`, {
    metadata: { name: 'one' },
    rules: [
      { verbs: ['list', 'watch'], apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'] },
    ],
  });
  await api.createSeen(`${here}/rolebindings`, {
    metadata: { name: 'one' },
    roleRef: { apiGroup, kind: 'Role', name: 'one' },
    subjects: [{ kind: 'User', name: 'dev' }],
  });
  const list = (selector: string) =>
    api.send('GET', `/api/v1/namespaces/default/configmaps?fieldSelector=${encodeURIComponent(selector)}`, {
      token: 'dev-token',
    });
  assert.equal((await list('metadata.name=mine')).code, 200);
  for (const selector of ['', 'metadata.name=other', 'metadata.name!=mine', 'metadata.name!=x'])
    assert.equal((await list(selector)).code, 403, selector);
});
