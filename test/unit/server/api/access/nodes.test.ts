import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { eventually } from '../../../../support/eventually.ts';
import { type ApiFixture, openApi, type SendOptions } from '../api-fixture.ts';

const space = '/api/v1/namespaces/default';
const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';

const scratch = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } };

/** The node n1 runs the pod `own`, n2 the pod `foreign`; each names a secret, a config map, a claim and an account. */
describe('a device over HTTP', () => {
  let api: ApiFixture;
  const node = { token: 'node-token' };
  const send = (method: string, path: string, options: SendOptions = {}) =>
    api.send(method, path, { ...node, ...options });
  const patch = (path: string, body: object) =>
    send('PATCH', path, { body, contentType: 'application/merge-patch+json' });

  before(async () => {
    api = await openApi({ defaultRoles: true });
    await api.create('/api/v1/namespaces', { metadata: { name: 'kube-node-lease' } });
    for (const name of ['n1', 'n2']) await api.create('/api/v1/nodes', { metadata: { name } });
    for (const [name, nodeName] of [
      ['own', 'n1'],
      ['foreign', 'n2'],
    ]) {
      await api.create(`${space}/secrets`, { metadata: { name } });
      await api.create(`${space}/configmaps`, { metadata: { name } });
      await api.create(`${space}/serviceaccounts`, { metadata: { name } });
      for (const claim of [name, `${name}-x`])
        await api.create(`${space}/persistentvolumeclaims`, { metadata: { name: claim }, spec: scratch });
      await api.createSeen(`${space}/pods`, {
        metadata: { name },
        spec: {
          nodeName,
          serviceAccountName: name,
          containers: [
            { name: 'a', image: 'a', env: [{ name: 'A', valueFrom: { secretKeyRef: { name, key: 'k' } } }] },
          ],
          volumes: [
            { name: 'v', configMap: { name } },
            { name: 'w', persistentVolumeClaim: { claimName: name } },
            { name: 'x', ephemeral: { volumeClaimTemplate: { spec: scratch } } },
          ],
        },
      });
    }
  });
  after(() => api[Symbol.asyncDispose]());

  test('reads itself, its pods and what they name, and nothing else', async () => {
    const open = [
      '/api/v1/nodes/n1',
      `${space}/pods/own`,
      '/api/v1/pods?fieldSelector=spec.nodeName%3Dn1',
      `${space}/secrets/own`,
      `${space}/secrets?fieldSelector=metadata.name%3Down`,
      `${space}/configmaps/own`,
      `${space}/persistentvolumeclaims/own`,
      `${space}/persistentvolumeclaims/own-x`,
    ];
    const closed = [
      '/api/v1/nodes',
      '/api/v1/nodes/n2',
      '/api/v1/pods',
      `${space}/pods`,
      `${space}/pods/foreign`,
      '/api/v1/pods?fieldSelector=spec.nodeName%3Dn2',
      '/api/v1/pods?fieldSelector=spec.nodeName%21%3Dn1',
      `${space}/pods/own/log`,
      `${space}/secrets`,
      `${space}/secrets/foreign`,
      '/api/v1/namespaces/kube-system/secrets/own',
      `${space}/configmaps/foreign`,
      `${space}/persistentvolumeclaims/foreign`,
      `${space}/persistentvolumeclaims/foreign-x`,
      `${space}/serviceaccounts/own`,
      '/api/v1/namespaces',
    ];
    for (const path of open) assert.equal((await send('GET', path)).code, 200, path);
    for (const path of closed) assert.equal((await send('GET', path)).code, 403, path);
  });

  test('reports on itself and its pods only', async () => {
    const status = { status: { phase: 'Running' } };
    assert.equal((await patch(`${space}/pods/own/status`, status)).code, 200);
    assert.equal((await patch(`${space}/pods/foreign/status`, status)).code, 403);
    assert.equal((await patch(`${space}/pods/own`, { metadata: { labels: { a: 'b' } } })).code, 403);
    assert.equal((await patch('/api/v1/nodes/n1/status', { status: { phase: 'x' } })).code, 200);
    assert.equal((await patch('/api/v1/nodes/n2/status', { status: { phase: 'x' } })).code, 403);
    const event = (name: string) => ({
      metadata: { generateName: 'e-' },
      involvedObject: { kind: 'Pod', namespace: 'default', name },
      reason: 'Started',
      type: 'Normal',
    });
    assert.equal((await send('POST', `${space}/events`, { body: event('own') })).code, 201);
    assert.equal((await send('POST', `${space}/events`, { body: event('foreign') })).code, 403);
  });

  test('describes itself, but decides nothing about what it gets', async () => {
    const label = (key: string) => patch('/api/v1/nodes/n1', { metadata: { labels: { [key]: 'x' } } });
    assert.equal((await label('site')).code, 200);
    const refused = await label('node-restriction.kubernetes.io/secure');
    assert.equal(refused.code, 403);
    assert.equal(
      refused.json().message,
      'nodes "n1" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/secure',
    );
    assert.equal((await label('node-role.kubernetes.io/master')).code, 403);
    for (const body of [
      { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } },
      { spec: { unschedulable: true } },
      { metadata: { annotations: { 'flotilla.dev/public-key-sha256': 'mine' } } },
    ])
      assert.equal((await patch('/api/v1/nodes/n1', body)).code, 403, JSON.stringify(body));
    assert.equal((await send('POST', '/api/v1/nodes', { body: { metadata: { name: 'n3' } } })).code, 403);
    assert.equal((await send('DELETE', '/api/v1/nodes/n1')).code, 403);
  });

  test('keeps its own lease', async () => {
    const lease = (name: string) => ({ metadata: { name }, spec: { holderIdentity: name } });
    assert.equal((await send('POST', leases, { body: lease('n2') })).code, 403);
    assert.equal((await send('POST', leases, { body: lease('n1') })).code, 201);
    assert.equal((await send('GET', `${leases}/n1`)).code, 200);
    assert.equal((await send('GET', leases)).code, 403);
  });

  test('gets tokens for the accounts of its pods, each bound to one of them', async () => {
    const { metadata } = (await api.send('GET', `${space}/pods/own`)).json();
    const token = (account: string, boundObjectRef?: object) =>
      send('POST', `${space}/serviceaccounts/${account}/token`, { body: { spec: { boundObjectRef } } });
    const pod = { apiVersion: 'v1', kind: 'Pod', name: 'own', uid: metadata.uid };
    assert.equal((await token('own', pod)).code, 201);
    assert.equal((await token('own')).code, 403);
    assert.equal((await token('foreign', { ...pod, name: 'foreign', uid: 'x' })).code, 403);
    assert.equal((await token('default')).code, 403);
  });

  test('removes its own pods only', async () => {
    assert.equal((await send('DELETE', `${space}/pods/foreign`)).code, 403);
    assert.equal((await send('DELETE', `${space}/pods/own?gracePeriodSeconds=0`)).code, 200);
    await eventually(
      () => api.cache.informer(podKind).get('default', 'own') === undefined,
      'the pod is gone',
    );
    assert.equal((await send('GET', `${space}/secrets/own`)).code, 403);
  });
});

test("a certificate is worth what its node's key is worth: another device's, or a removed one's, is nobody's", async () => {
  await using api = await openApi({ defaultRoles: true });
  const client = api.authority.client('system:node:n1', ['system:nodes']);
  const { publicKey } = new X509Certificate(client.certificate);
  const hash = createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  const code = async () => (await api.send('GET', '/api/v1/nodes/n1', { client })).code;
  assert.equal(await code(), 401);
  const annotations = { 'flotilla.dev/public-key-sha256': hash };
  await api.create('/api/v1/nodes', { metadata: { name: 'n1', annotations } });
  assert.equal(await code(), 200);
  const other = { metadata: { annotations: { 'flotilla.dev/public-key-sha256': 'other' } } };
  const contentType = 'application/merge-patch+json';
  await api.send('PATCH', '/api/v1/nodes/n1', { body: other, contentType });
  assert.equal(await code(), 401);
});
