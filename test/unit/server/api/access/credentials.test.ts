import assert from 'node:assert/strict';
import { createHmac, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { systemRandom } from '../../../../../lib/random.ts';
import { newJoinToken } from '../../../../../protocol/join-token.ts';
import { createTokenSigner } from '../../../../../server/identity/json-web-token.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';
import { type ApiFixture, type Json, openApi } from '../api-fixture.ts';

const accounts = '/api/v1/namespaces/default/serviceaccounts';
const reviews = '/apis/authentication.k8s.io/v1';

function part(token: string, index: number): Json {
  return JSON.parse(Buffer.from(token.split('.')[index] ?? '', 'base64url').toString());
}

describe('a service account', () => {
  let api: ApiFixture;
  const clock = new ManualClock(Date.now());
  before(async () => {
    api = await openApi({ defaultRoles: true, accessClock: clock });
    await api.create(accounts, { metadata: { name: 'bot' } });
  });
  after(() => api[Symbol.asyncDispose]());

  const order = (spec: object = {}) => api.send('POST', `${accounts}/bot/token`, { body: { spec } });
  const tokenFor = async (spec: object = {}): Promise<string> => {
    const answer = await order(spec);
    assert.equal(answer.code, 201, answer.text);
    return answer.json().status.token;
  };
  const whoIs = async (token: string): Promise<Json> => {
    const answer = await api.send('POST', `${reviews}/selfsubjectreviews`, { token, body: {} });
    return answer.code === 201 ? answer.json().status.userInfo : answer.code;
  };

  test("gets a token in Kubernetes' claims, which anybody can verify with the published keys", async () => {
    const answer = (await order({ expirationSeconds: 1200 })).json();
    const { token, expirationTimestamp } = answer.status;
    const claims = part(token, 1);
    assert.equal(claims.sub, 'system:serviceaccount:default:bot');
    assert.deepEqual(claims.aud, ['https://issuer.test']);
    assert.deepEqual([claims.iss, claims.exp - claims.iat], ['https://issuer.test', 1200]);
    assert.equal(claims['kubernetes.io'].serviceaccount.name, 'bot');
    assert.equal(Date.parse(expirationTimestamp), claims.exp * 1000);
    const discovery = (await api.send('GET', '/.well-known/openid-configuration', { token })).json();
    assert.equal(discovery.issuer, claims.iss);
    const keys = (await api.send('GET', new URL(discovery.jwks_uri).pathname, { token })).json();
    const jwk = keys.keys.find(({ kid }: Json) => kid === part(token, 0).kid);
    const [head, body, signature = ''] = token.split('.');
    const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' as const };
    assert.ok(verify('sha256', Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url')));
  });

  test('is that user, in the groups of its namespace', async () => {
    const { username, groups } = await whoIs(await tokenFor());
    assert.equal(username, 'system:serviceaccount:default:bot');
    assert.deepEqual(groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:default',
      'system:authenticated',
    ]);
  });

  test('is nobody with a token that was changed, forged, or is for somebody else', async () => {
    const token = await tokenFor();
    const [head = '', body = '', signature = ''] = token.split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const admin = encode({ ...part(token, 1), sub: 'system:serviceaccount:kube-system:admin' });
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const other = createTokenSigner({ key: privateKey, issuer: 'https://issuer.test' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const { kid } = part(token, 0);
    const byHmac = `${encode({ alg: 'HS256', kid })}.${admin}`;
    const forged = [
      `${head}.${admin}.${signature}`,
      `${encode({ alg: 'none', kid })}.${admin}.`,
      `${byHmac}.${createHmac('sha256', pem).update(byHmac).digest('base64url')}`,
      other.sign(part(token, 1)),
      `${head}.${body}.`,
      `${head}.${body}`,
      `${token}.x`,
      await tokenFor({ audiences: ['somebody else'] }),
    ];
    for (const wrong of forged) assert.equal(await whoIs(wrong), 401, wrong);
  });

  test('is nobody once the token has run out', async () => {
    const token = await tokenFor({ expirationSeconds: 600 });
    assert.equal((await whoIs(token)).username, 'system:serviceaccount:default:bot');
    clock.jumpWall(600_000);
    assert.equal(await whoIs(token), 401);
    clock.jumpWall(-600_000);
  });

  test('is nobody once it, or what its token is bound to, is gone or was made anew', async () => {
    await api.create(accounts, { metadata: { name: 'short' } });
    const answer = await api.send('POST', `${accounts}/short/token`, { body: { spec: {} } });
    const { token } = answer.json().status;
    assert.equal((await whoIs(token)).username, 'system:serviceaccount:default:short');
    await api.send('DELETE', `${accounts}/short`);
    assert.equal(await whoIs(token), 401);
    await api.create(accounts, { metadata: { name: 'short' } });
    assert.equal(await whoIs(token), 401);

    const secrets = '/api/v1/namespaces/default/secrets';
    await api.create(secrets, { metadata: { name: 'bound' } });
    const bound = await tokenFor({ boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: 'bound' } });
    assert.equal((await whoIs(bound)).username, 'system:serviceaccount:default:bot');
    await api.send('DELETE', `${secrets}/bound`);
    assert.equal(await whoIs(bound), 401);
  });

  test("a pod's token says which pod, and is for the pod's own account", async () => {
    const spec = { containers: [{ name: 'a', image: 'a' }], serviceAccountName: 'bot' };
    const pods = '/api/v1/namespaces/default/pods';
    const pod = await api.create(pods, { metadata: { name: 'p' }, spec });
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: pod.metadata?.uid };
    const { extra } = await whoIs(await tokenFor({ boundObjectRef }));
    assert.deepEqual(extra['authentication.kubernetes.io/pod-name'], ['p']);
    assert.deepEqual(extra['authentication.kubernetes.io/pod-uid'], [pod.metadata?.uid]);
    await api.create(accounts, { metadata: { name: 'other' } });
    const body = { spec: { boundObjectRef } };
    const foreign = await api.send('POST', `${accounts}/other/token`, { body });
    assert.equal(foreign.code, 400);
    assert.match(foreign.json().message, /pod running with different serviceaccount name/);
    const stale = await order({ boundObjectRef: { ...boundObjectRef, uid: 'old' } });
    assert.deepEqual([stale.code, stale.json().reason], [409, 'Conflict']);
  });

  test('orders that make no sense are refused', async () => {
    const short = await order({ expirationSeconds: 10 });
    assert.equal(
      short.json().message,
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 10: may not specify a duration less than 10 minutes',
    );
    assert.equal(
      (await order({ boundObjectRef: { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' } })).code,
      400,
    );
    assert.equal((await api.send('POST', `${accounts}/nobody/token`, { body: {} })).code, 404);
    assert.equal(
      (await api.send('POST', `${accounts}/bot/token`, { token: 'dev-token', body: {} })).code,
      403,
    );
  });

  test('a token review tells whose a token is, for whom it is, and of a bad one only that it is bad', async () => {
    const review = async (spec: object) =>
      (await api.send('POST', `${reviews}/tokenreviews`, { body: { spec } })).json().status;
    const token = await tokenFor({ audiences: ['vault', 'https://issuer.test'] });
    const good = await review({ token });
    assert.equal(good.authenticated, true);
    assert.equal(good.user.username, 'system:serviceaccount:default:bot');
    assert.deepEqual(good.audiences, ['https://issuer.test']);
    assert.deepEqual((await review({ token, audiences: ['vault', 'x'] })).audiences, ['vault']);
    for (const spec of [{ token, audiences: ['x'] }, { token: `${token}x` }, { token: 'nonsense' }]) {
      const { authenticated, user, error } = await review(spec);
      assert.deepEqual([authenticated, user, typeof error], [undefined, undefined, 'string']);
    }
  });
});

test('a bootstrap token is a bootstrapper until it expires or is used up, and nothing more', async () => {
  const clock = new ManualClock(Date.now());
  await using api = await openApi({ defaultRoles: true, accessClock: clock });
  const make = async (ttlMs: number, groups = 'system:bootstrappers:lab,system:masters') => {
    const made = newJoinToken({
      caCertificate: api.authority.ca,
      random: systemRandom,
      now: clock.now(),
      ttlMs,
      singleUse: false,
    });
    const data = { ...made.secret.data, 'auth-extra-groups': Buffer.from(groups).toString('base64') };
    await api.create('/api/v1/namespaces/kube-system/secrets', { ...made.secret, data });
    const [id = '', secret = ''] = made.token.split('.');
    return { id, bearer: `${id}.${secret}` };
  };
  const who = (token: string) => api.send('POST', `${reviews}/selfsubjectreviews`, { token, body: {} });
  const { id, bearer } = await make(60_000);
  const { username, groups } = (await who(bearer)).json().status.userInfo;
  assert.equal(username, `system:bootstrap:${id}`);
  assert.deepEqual(groups, ['system:bootstrappers', 'system:bootstrappers:lab', 'system:authenticated']);
  assert.equal((await api.send('GET', '/api/v1/nodes', { token: bearer })).code, 403);
  assert.equal((await who(`${id}.${'a'.repeat(16)}`)).code, 401);
  clock.jumpWall(60_000);
  assert.equal((await who(bearer)).code, 401);
});

describe('impersonation', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi({ defaultRoles: true });
    await api.createSeen('/apis/rbac.authorization.k8s.io/v1/clusterroles', {
      metadata: { name: 'actor' },
      rules: [
        { verbs: ['impersonate'], apiGroups: [''], resources: ['users'], resourceNames: ['anna'] },
        { verbs: ['impersonate'], apiGroups: [''], resources: ['groups'], resourceNames: ['people'] },
      ],
    });
    await api.createSeen('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
      metadata: { name: 'actor' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'actor' },
      subjects: [{ kind: 'User', name: 'dev' }],
    });
  });
  after(() => api[Symbol.asyncDispose]());

  const act = (headers: Record<string, string>, token = 'dev-token') =>
    api.send('POST', `${reviews}/selfsubjectreviews`, { token, headers, body: {} });

  test('who may is the other one, with no group of their own', async () => {
    const info = (await act({ 'Impersonate-User': 'anna', 'Impersonate-Group': 'people' })).json().status
      .userInfo;
    assert.deepEqual(info, { username: 'anna', groups: ['people', 'system:authenticated'] });
  });

  test('every part needs its own leave, and is refused by its name', async () => {
    const cases: [Record<string, string>, string][] = [
      [
        { 'Impersonate-User': 'eve' },
        'users "eve" is forbidden: User "dev" cannot impersonate resource "users" in API group "" at the cluster scope',
      ],
      [
        { 'Impersonate-User': 'anna', 'Impersonate-Group': 'system:masters' },
        'groups "system:masters" is forbidden: User "dev" cannot impersonate resource "groups" in API group "" at the cluster scope',
      ],
      [
        { 'Impersonate-User': 'anna', 'Impersonate-Uid': '7' },
        'uids.authentication.k8s.io "7" is forbidden: User "dev" cannot impersonate resource "uids" in API group "authentication.k8s.io" at the cluster scope',
      ],
      [
        { 'Impersonate-User': 'anna', 'Impersonate-Extra-scopes': 'all' },
        'userextras.authentication.k8s.io "all" is forbidden: User "dev" cannot impersonate resource "userextras/scopes" in API group "authentication.k8s.io" at the cluster scope',
      ],
      [
        { 'Impersonate-User': 'system:serviceaccount:default:bot' },
        'serviceaccounts "bot" is forbidden: User "dev" cannot impersonate resource "serviceaccounts" in API group "" in the namespace "default"',
      ],
    ];
    for (const [headers, message] of cases) {
      const answer = await act(headers);
      assert.deepEqual([answer.code, answer.json().message], [403, message]);
    }
    assert.equal((await act({ 'Impersonate-Group': 'people' })).code, 400);
  });

  test('an admin may act as an account, which is in its groups', async () => {
    const answer = await act({ 'Impersonate-User': 'system:serviceaccount:default:bot' }, 'admin-token');
    assert.deepEqual(answer.json().status.userInfo.groups, [
      'system:serviceaccounts',
      'system:serviceaccounts:default',
      'system:authenticated',
    ]);
  });
});
