import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, get, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createTestAuthority } from '../unit/server/api/test-certificates.ts';
import { Cluster } from './support/cluster.ts';
import { finish, until } from './support/programs.ts';

const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- {level: None, nonResourceURLs: ['*']}
- {level: Metadata, resources: [{group: '', resources: [secrets]}]}
- {level: RequestResponse, resources: [{group: '', resources: [configmaps]}]}
- {level: Metadata, verbs: [create, update, patch, delete]}
`;

/** A small OpenID Connect issuer over real TLS: a configuration, keys, and tokens on demand. */
class Issuer {
  keys = new Map<string, KeyObject>();
  #server: Server | undefined;
  readonly #tls: { key: string; cert: string };
  port = 0;

  constructor(tls: { key: string; cert: string }) {
    this.#tls = tls;
  }

  get url(): string {
    return `https://127.0.0.1:${this.port}`;
  }

  addKey(id: string): void {
    this.keys.set(id, generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
  }

  async start(): Promise<void> {
    const server = createServer(this.#tls, (request, response) => {
      const keys = [...this.keys].map(([kid, key]) => {
        const { n, e, kty } = key.export({ format: 'jwk' });
        return { kid, n, e, kty, use: 'sig', alg: 'RS256' };
      });
      const documents: Record<string, object> = {
        '/.well-known/openid-configuration': { issuer: this.url, jwks_uri: `${this.url}/keys` },
        '/keys': { keys },
      };
      const found = documents[request.url ?? ''];
      response
        .writeHead(found ? 200 : 404, { 'Content-Type': 'application/json' })
        .end(JSON.stringify(found));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, '127.0.0.1', resolve));
    this.port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
  }

  token(id: string, claims: object): string {
    const key = this.keys.get(id);
    assert.ok(key);
    const now = Math.floor(Date.now() / 1000);
    const all = { iss: this.url, aud: 'kubernetes', iat: now, exp: now + 600, ...claims };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'RS256', kid: id })}.${part(all)}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
  }
}

describe('logging in', () => {
  const ending: (() => Promise<void>)[] = [];
  let cluster: Cluster;
  let issuer: Issuer;
  let auditLog: string;

  before(async () => {
    const authority = await createTestAuthority();
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-oidc-'));
    ending.push(() => rm(directory, { recursive: true, force: true }));
    const caFile = join(directory, 'ca.pem');
    await writeFile(caFile, authority.ca);
    issuer = new Issuer({ key: authority.server.key, cert: authority.server.certificate });
    issuer.addKey('first');
    await issuer.start();
    ending.push(() => issuer.stop());
    const flags = {
      'oidc-issuer-url': issuer.url,
      'oidc-client-id': 'kubernetes',
      'oidc-ca-file': caFile,
      'oidc-username-claim': 'email',
      'oidc-username-prefix': 'oidc:',
      'oidc-groups-claim': 'groups',
      'oidc-groups-prefix': 'oidc:',
      'oidc-required-claim': 'tenant=shop',
    };
    const policy = join(directory, 'policy.yaml');
    await writeFile(policy, auditPolicy);
    auditLog = join(directory, 'audit.log');
    cluster = await Cluster.start(
      { after: (task) => void ending.push(task) },
      {
        serverFlags: [
          '--anonymous-auth',
          `--audit-policy-file=${policy}`,
          `--audit-log-path=${auditLog}`,
          ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
        ],
      },
    );
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  /** kubectl with nothing to be known by but what `args` say. */
  const stranger = (args: readonly string[]) =>
    finish('kubectl', [
      '--kubeconfig=/dev/null',
      `--server=https://127.0.0.1:${cluster.apiPort}`,
      '--insecure-skip-tls-verify',
      ...args,
    ]);
  const bare = (path: string): Promise<[number | undefined, string]> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: cluster.apiPort, path, rejectUnauthorized: false };
      get(options, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve([response.statusCode, text]));
      }).on('error', reject);
    });
  const anna = { email: 'anna@example.com', groups: ['devs'], tenant: 'shop' };

  test('a token of the issuer is its user, in the groups that it claims', async () => {
    const token = issuer.token('first', anna);
    const who = await stranger(['--token', token, 'auth', 'whoami']);
    assert.match(who.stdout, /^Username +oidc:anna@example\.com$/m);
    assert.match(who.stdout, /^Groups +\[oidc:devs system:authenticated\]$/m);
    await cluster.ok(['create', 'rolebinding', 'devs', '--clusterrole=edit', '--group=oidc:devs']);
    await until('the group may create', async () => {
      const created = await stranger(['--token', token, 'create', 'configmap', 'hers', '--from-literal=a=b']);
      return created.code === 0;
    });
    const refused = await stranger(['--token', token, 'get', 'nodes']);
    assert.match(refused.stderr, /User "oidc:anna@example\.com" cannot list resource "nodes"/);
  });

  test('a token that is expired, for another or by a strange key is refused', async () => {
    issuer.addKey('strange');
    const strange = issuer.token('strange', anna);
    issuer.keys.delete('strange');
    const bad = [
      strange,
      issuer.token('first', { ...anna, exp: 1 }),
      issuer.token('first', { ...anna, aud: 'others' }),
      issuer.token('first', { ...anna, tenant: 'other' }),
    ];
    for (const token of bad) {
      assert.match(
        (await stranger(['--token', token, 'auth', 'whoami'])).stderr,
        /must be logged in|Unauthorized/,
      );
    }
  });

  test('known keys count while the issuer is down, and a new one when it is back', async () => {
    await issuer.stop();
    issuer.addKey('second');
    const renewed = issuer.token('second', anna);
    assert.equal((await stranger(['--token', issuer.token('first', anna), 'auth', 'whoami'])).code, 0);
    assert.notEqual((await stranger(['--token', renewed, 'auth', 'whoami'])).code, 0);
    await issuer.start();
    await until(
      'the new key counts',
      async () => (await stranger(['--token', renewed, 'auth', 'whoami'])).code === 0,
      { timeoutMs: 40_000 },
    );
  });

  test('who shows nothing is anonymous, and may little', async () => {
    const [code] = await bare('/version');
    assert.equal(code, 200);
    const [refused, text] = await bare('/api/v1/namespaces/default/pods');
    assert.equal(refused, 403);
    assert.match(text, /User \\"system:anonymous\\" cannot list resource \\"pods\\"/);
  });

  test('an approved certificate request makes a certificate that logs its user in', async () => {
    const key = join(cluster.directory, 'bo.key');
    const made = await finish('openssl', [
      'req',
      '-new',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-subj',
      '/CN=bo/O=devs/O=ops',
    ]);
    assert.equal(made.code, 0, made.stderr);
    const request = (name: string, usages: string[]) =>
      cluster.apply(
        JSON.stringify({
          apiVersion: 'certificates.k8s.io/v1',
          kind: 'CertificateSigningRequest',
          metadata: { name },
          spec: {
            request: Buffer.from(made.stdout).toString('base64'),
            signerName: 'kubernetes.io/kube-apiserver-client',
            expirationSeconds: 3600,
            usages,
          },
        }),
      );
    await request('bo', ['client auth']);
    assert.match(await cluster.ok(['get', 'csr', 'bo']), /Pending$/m);
    assert.match(await cluster.ok(['certificate', 'approve', 'bo']), /bo approved/);
    await until('issued', async () => /Approved,Issued$/m.test(await cluster.ok(['get', 'csr', 'bo'])));
    const encoded = await cluster.ok(['get', 'csr', 'bo', '-o', 'jsonpath={.status.certificate}']);
    const certificate = join(cluster.directory, 'bo.crt');
    await writeFile(certificate, Buffer.from(encoded, 'base64'));
    const parsed = new X509Certificate(await readFile(certificate));
    const hours = (parsed.validToDate.getTime() - Date.now()) / 3_600_000;
    assert.ok(hours > 0.9 && hours <= 1.01, `holds for ${hours} hours`);
    const who = await stranger([
      `--client-certificate=${certificate}`,
      `--client-key=${key}`,
      'auth',
      'whoami',
    ]);
    assert.match(who.stdout, /^Username +bo$/m);
    assert.match(who.stdout, /^Groups +\[devs ops system:authenticated\]$/m);

    await request('denied', ['client auth']);
    await cluster.ok(['certificate', 'deny', 'denied']);
    assert.match(await cluster.ok(['get', 'csr', 'denied']), /Denied$/m);
    await request('wrong', ['client auth', 'code signing']);
    await cluster.ok(['certificate', 'approve', 'wrong']);
    await until('failed', async () => /Approved,Failed$/m.test(await cluster.ok(['get', 'csr', 'wrong'])));
    assert.match(
      await cluster.ok(['get', 'csr', 'wrong', '-o', 'yaml']),
      /invalid usage for client certificate: code signing/,
    );
  });

  test('the audit log tells who did what, without secrets', async () => {
    await cluster.ok(['create', 'secret', 'generic', 'hush', '--from-literal=password=correct-horse']);
    await cluster.ok(['create', 'configmap', 'told', '--from-literal=a=b']);
    await cluster.kubectl(['get', 'secrets', '--as=anna']);
    const read = async () =>
      (await readFile(auditLog, 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as AuditEvent);
    const find = (wanted: (event: AuditEvent) => boolean) =>
      until('the event', async () => (await read()).find(wanted));
    const secret = await find(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'hush');
    assert.deepEqual(
      [secret.user.username, secret.level, secret.stage],
      ['kubernetes-admin', 'Metadata', 'ResponseComplete'],
    );
    const told = await find(({ verb, objectRef }) => verb === 'create' && objectRef?.name === 'told');
    assert.deepEqual([told.requestObject?.data, told.responseObject?.data], [{ a: 'b' }, { a: 'b' }]);
    const refused = await find(({ impersonatedUser }) => impersonatedUser?.username === 'anna');
    assert.equal(refused.annotations?.['authorization.k8s.io/decision'], 'forbid');
    const text = await readFile(auditLog, 'utf8');
    for (const hidden of ['correct-horse', Buffer.from('correct-horse').toString('base64')]) {
      assert.ok(!text.includes(hidden), 'a secret is in the audit log');
    }
    assert.match(text, /"username":"oidc:anna@example\.com"/);
  });

  test('get cs shows the parts of the server', async () => {
    const shown = await cluster.kubectl(['get', 'cs']);
    assert.match(shown.stdout, /^NAME +STATUS +MESSAGE +ERROR\s*$/m);
    assert.match(shown.stdout, /^etcd-0 +Healthy +ok/m);
    assert.match(shown.stderr, /Warning: v1 ComponentStatus is deprecated in v1\.19\+/);
    assert.match(await cluster.ok(['api-resources']), /^componentstatuses +cs +v1 +false +ComponentStatus$/m);
    assert.match(await cluster.ok(['get', '--raw', '/metrics']), /^apiserver_audit_event_total [1-9]/m);
  });
});

interface AuditEvent {
  level: string;
  stage: string;
  verb: string;
  user: { username: string };
  impersonatedUser?: { username: string };
  objectRef?: { resource: string; name?: string };
  requestObject?: { data?: object };
  responseObject?: { data?: object };
  annotations?: Record<string, string>;
}
