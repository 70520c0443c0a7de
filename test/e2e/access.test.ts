import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { loadDeviceIdentity } from '../../agent/link/device-identity.ts';
import { Cluster } from './support/cluster.ts';
import { until } from './support/programs.ts';

/** Who may do what, as people meet it: the real server, the real kubectl. */
describe('access by roles', () => {
  const ending: (() => Promise<void>)[] = [];
  let cluster: Cluster;

  before(async () => {
    cluster = await Cluster.start(
      { after: (task) => void ending.push(task) },
      { tokens: 'anna-token,anna,1,"devs"\neve-token,eve,2\n' },
    );
    await cluster.ok(['create', 'namespace', 'shop']);
    await cluster.ok(['create', 'rolebinding', 'anna', '-n', 'shop', '--clusterrole=admin', '--user=anna']);
    await canI(['create', 'pods', '-n', 'shop', '--as', 'anna'], 'yes');
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  /** A kubeconfig with a token and nothing else to be known by. */
  function personal(token: string): string {
    return kubeconfig({ token });
  }

  function kubeconfig(user: Record<string, string>): string {
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'c',
          cluster: { server: `https://127.0.0.1:${cluster.apiPort}`, 'insecure-skip-tls-verify': true },
        },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'c',
    });
  }

  const as = async (token: string, ...args: string[]) => {
    const path = join(cluster.directory, 'person');
    await writeFile(path, personal(token));
    return cluster.kubectl([...args, '--kubeconfig', path]);
  };
  /** Bindings count within moments; a first answer may come before that. */
  const canI = (args: string[], answer: 'yes' | 'no') =>
    until(`auth can-i ${args.join(' ')}: ${answer}`, async () =>
      (await cluster.kubectl(['auth', 'can-i', ...args])).stdout.trim().startsWith(answer),
    );

  test('a user works in the namespace of their binding and nowhere else', async () => {
    const created = await as('anna-token', 'create', 'configmap', 'mine', '-n', 'shop', '--from-literal=a=b');
    assert.equal(created.stdout, 'configmap/mine created\n');
    assert.match((await as('anna-token', 'get', 'configmaps', '-n', 'shop')).stdout, /^mine +1 /m);
    const refused = await as('anna-token', 'get', 'configmaps', '-n', 'default');
    assert.equal(
      refused.stderr,
      'Error from server (Forbidden): configmaps is forbidden: User "anna" cannot list resource "configmaps" in API group "" in the namespace "default"\n',
    );
    assert.match(
      (await as('anna-token', 'get', 'nodes')).stderr,
      /cannot list resource "nodes".* at the cluster scope/,
    );
    assert.match((await as('eve-token', 'get', 'pods', '-n', 'shop')).stderr, /User "eve" cannot list/);
    assert.match((await as('wrong-token', 'get', 'pods')).stderr, /must be logged in|Unauthorized/);
  });

  test('auth can-i, --list and whoami tell beforehand', async () => {
    assert.equal(
      (await as('anna-token', 'auth', 'can-i', 'delete', 'secrets', '-n', 'shop')).stdout,
      'yes\n',
    );
    const no = await as('anna-token', 'auth', 'can-i', 'delete', 'secrets');
    assert.deepEqual([no.code, no.stdout], [1, 'no\n']);
    assert.equal((await as('anna-token', 'auth', 'can-i', 'get', '/version')).stdout, 'yes\n');
    const list = (await as('anna-token', 'auth', 'can-i', '--list', '-n', 'shop')).stdout;
    assert.match(list, /^rolebindings\.rbac\.authorization\.k8s\.io +\[\] +\[\] +\[.*create.*\]$/m);
    assert.match(list, /^ +\[\/api\/\*\] +\[\] +\[get\]$/m);
    const whoami = (await as('anna-token', 'auth', 'whoami')).stdout;
    assert.match(whoami, /^Username +anna$/m);
    assert.match(whoami, /^Groups +\[devs system:authenticated\]$/m);
  });

  test('--as shows what another may do, to who may act as them', async () => {
    await canI(['get', 'pods', '-n', 'shop', '--as', 'eve'], 'no');
    assert.match(
      (await as('anna-token', 'get', 'pods', '-n', 'shop', '--as', 'eve')).stderr,
      /users "eve" is forbidden: User "anna" cannot impersonate resource "users" in API group "" at the cluster scope/,
    );
  });

  test('a created token is its account, until the account is gone', async () => {
    await cluster.ok(['create', 'serviceaccount', 'bot', '-n', 'shop']);
    const token = (await cluster.ok(['create', 'token', 'bot', '-n', 'shop', '--duration=20m'])).trim();
    assert.match((await as(token, 'auth', 'whoami')).stdout, /^Username +system:serviceaccount:shop:bot$/m);
    assert.match(
      (await as(token, 'get', 'pods', '-n', 'shop')).stderr,
      /"system:serviceaccount:shop:bot" cannot list/,
    );
    await cluster.ok([
      'create',
      'rolebinding',
      'bot',
      '-n',
      'shop',
      '--clusterrole=view',
      '--serviceaccount=shop:bot',
    ]);
    await canI(['get', 'pods', '-n', 'shop', '--as', 'system:serviceaccount:shop:bot'], 'yes');
    assert.equal((await as(token, 'get', 'pods', '-n', 'shop')).code, 0);
    await canI(['get', 'secrets', '-n', 'shop', '--as', 'system:serviceaccount:shop:bot'], 'no');
    await cluster.killServer();
    await cluster.startServer();
    assert.equal((await as(token, 'get', 'pods', '-n', 'shop')).code, 0);
    await cluster.ok(['delete', 'serviceaccount', 'bot', '-n', 'shop']);
    assert.notEqual((await as(token, 'get', 'pods', '-n', 'shop')).code, 0);
  });

  test('a Secret of the token type gets a token that lasts, and goes with its account', async () => {
    await cluster.apply(`apiVersion: v1
kind: ServiceAccount
metadata: {name: pipeline, namespace: shop}
---
apiVersion: v1
kind: Secret
metadata:
  name: pipeline
  namespace: shop
  annotations: {kubernetes.io/service-account.name: pipeline}
type: kubernetes.io/service-account-token
`);
    const path = ['get', 'secret', 'pipeline', '-n', 'shop'];
    const token = await until('the secret is filled', async () => {
      const text = await cluster.ok([...path, '-o', 'jsonpath={.data.token}']);
      return text === '' ? undefined : Buffer.from(text, 'base64').toString();
    });
    assert.match(
      (await as(token, 'auth', 'whoami')).stdout,
      /^Username +system:serviceaccount:shop:pipeline$/m,
    );
    assert.match(
      await cluster.ok(['describe', 'secret', 'pipeline', '-n', 'shop']),
      /^ca\.crt: +\d+ bytes$/m,
    );
    await cluster.ok(['delete', 'serviceaccount', 'pipeline', '-n', 'shop']);
    await until('the secret is gone', async () => (await cluster.kubectl(path)).code === 1);
    assert.notEqual((await as(token, 'auth', 'whoami')).code, 0);
  });

  test('nobody gives what they do not have', async () => {
    const up = await as(
      'anna-token',
      'create',
      'rolebinding',
      'up',
      '-n',
      'shop',
      '--clusterrole=cluster-admin',
      '--user=anna',
    );
    assert.match(
      up.stderr,
      /rolebindings\.rbac\.authorization\.k8s\.io "up" is forbidden: user "anna" \(groups=\["devs" "system:authenticated"\]\) is attempting to grant RBAC permissions not currently held:\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}/,
    );
    const give = await as(
      'anna-token',
      'create',
      'rolebinding',
      'eve',
      '-n',
      'shop',
      '--clusterrole=view',
      '--user=eve',
    );
    assert.equal(give.stdout, 'rolebinding.rbac.authorization.k8s.io/eve created\n');
    await canI(['list', 'pods', '-n', 'shop', '--as', 'eve'], 'yes');
  });

  test("a device's own certificate opens its own node, pods and what they name, and nothing else", async () => {
    await cluster.addNodes(['board']);
    await cluster.ok(['create', 'configmap', 'wanted', '--from-literal=a=b']);
    await cluster.ok(['create', 'configmap', 'other', '--from-literal=a=b']);
    await cluster.apply(`apiVersion: v1
kind: Pod
metadata: {name: worker, labels: {app: worker}}
spec:
  nodeName: board
  containers:
    - name: main
      image: host
      command: [sleep, '1000']
      env: [{name: A, valueFrom: {configMapKeyRef: {name: wanted, key: a}}}]
`);
    await cluster.readyPods('worker', 1);
    const identity = await loadDeviceIdentity(join(cluster.directory, 'board', 'identity'));
    assert.ok(identity);
    const base64 = (pem: string) => Buffer.from(pem).toString('base64');
    const path = join(cluster.directory, 'device');
    await writeFile(
      path,
      kubeconfig({
        'client-certificate-data': base64(identity.cert),
        'client-key-data': base64(identity.key),
      }),
    );
    const device = (...args: string[]) => cluster.kubectl([...args, '--kubeconfig', path]);
    assert.match((await device('auth', 'whoami')).stdout, /^Username +system:node:board$/m);
    for (const args of [
      ['get', 'node', 'board'],
      ['get', 'pods', '-A', '--field-selector', 'spec.nodeName=board'],
      ['get', 'configmap', 'wanted'],
      ['label', 'node', 'board', 'site=harbour'],
    ])
      assert.equal((await device(...args)).code, 0, args.join(' '));
    for (const args of [
      ['get', 'nodes'],
      ['get', 'pods', '-A'],
      ['get', 'configmap', 'other'],
      ['get', 'secrets', '-A'],
      ['label', 'node', 'board', 'node-role.kubernetes.io/master=x'],
      ['taint', 'node', 'board', 'a=b:NoSchedule'],
    ])
      assert.match((await device(...args)).stderr, /Forbidden|forbidden/, args.join(' '));
  });

  test('a role with a label adds to view, edit and admin', async () => {
    await cluster.apply(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: read-boats
  labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}
rules: [{apiGroups: [example.com], resources: [boats], verbs: [get]}]
`);
    await until('view has it, and what gathers view', async () => {
      const rules = await Promise.all(
        ['view', 'edit', 'admin'].map((role) =>
          cluster.ok(['get', 'clusterrole', role, '-o', 'jsonpath={.rules}']),
        ),
      );
      return rules.every((text) => text.includes('boats'));
    });
    await cluster.ok(['delete', 'clusterrole', 'read-boats']);
    await until(
      'it is gone from them',
      async () =>
        !(await cluster.ok(['get', 'clusterrole', 'admin', '-o', 'jsonpath={.rules}'])).includes('boats'),
    );
  });

  test("what somebody changed in a default role stays, what it lacked comes back with the server's start", async () => {
    const rulesOf = (role: string) => cluster.ok(['get', 'clusterrole', role, '-o', 'jsonpath={.rules}']);
    const patch = (role: string, body: object) =>
      cluster.ok(['patch', 'clusterrole', role, '--type=merge', '-p', JSON.stringify(body)]);
    const rules = [{ apiGroups: ['x'], resources: ['y'], verbs: ['get'] }];
    await patch('system:basic-user', { rules });
    await patch('system:monitoring', {
      rules,
      metadata: { annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
    });
    await cluster.killServer();
    await cluster.startServer();
    const basic = await rulesOf('system:basic-user');
    assert.ok(basic.includes('"y"') && basic.includes('selfsubjectreviews'));
    assert.deepEqual(JSON.parse(await rulesOf('system:monitoring')), rules);
  });
});
