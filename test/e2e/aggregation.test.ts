import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { freePort, Running, root, until } from './support/programs.ts';
import { type HttpsAuthority, openHttpsAuthority } from './support/test-authority.ts';

/** A group version that another server answers for: the real server, the real kubectl, an extension API server. */
describe('API aggregation', () => {
  const ending: (() => Promise<void>)[] = [];
  let cluster: Cluster;
  let authority: HttpsAuthority;
  let port: number;
  let extension: Running | undefined;
  const token = 'anna-token';

  before(async () => {
    const context = { after: (task: () => Promise<void>) => void ending.push(task) };
    cluster = await Cluster.start(context, { tokens: `${token},änna,1,"devs,growers"\n` });
    authority = await openHttpsAuthority(cluster.directory);
    port = await freePort();
    ending.push(async () => void (await extension?.kill('SIGKILL')));
    await cluster.apply(JSON.stringify(externalService));
    await cluster.apply(JSON.stringify(apiService(port)));
  });
  after(async () => {
    for (const end of ending.reverse()) await end();
  });

  const externalService = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'berries', namespace: 'default' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  };
  const apiService = (port: number) => ({
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1.berries.example.com' },
    spec: {
      group: 'berries.example.com',
      version: 'v1',
      groupPriorityMinimum: 1000,
      versionPriority: 100,
      caBundle: authority.caBundle,
      service: { name: 'berries', namespace: 'default', port },
    },
  });

  async function startExtension(): Promise<void> {
    const serving = await authority.serve('berries', ['berries.default.svc']);
    const trust = await cluster.json<{ data: Record<string, string> }>(
      'get configmap extension-apiserver-authentication -n kube-system'.split(' '),
    );
    assert.equal(trust.data['requestheader-allowed-names'], '["front-proxy-client"]');
    const frontProxyFile = join(cluster.directory, 'front-proxy.crt');
    await writeFile(frontProxyFile, trust.data['requestheader-client-ca-file'] ?? '');
    const program = join(root, 'test/e2e/support/extension-api.ts');
    extension = new Running(process.execPath, [
      program,
      String(port),
      serving.keyFile,
      serving.certificateFile,
      frontProxyFile,
    ]);
    await extension.saying(/listening/);
  }

  const available = () =>
    cluster.ok(['get', 'apiservice', 'v1.berries.example.com', '--no-headers']).then((row) => row.trim());
  const saying = (pattern: RegExp) =>
    until(`APIService like ${pattern}`, async () => pattern.test(await available()));

  test('every group version that the server answers for itself is listed as Local', async () => {
    const listed = await until('the local APIServices', async () => {
      const rows = await cluster.ok(['get', 'apiservices']);
      return /^v1\.storage\.k8s\.io +Local +True /m.test(rows) && rows;
    });
    assert.match(listed, /^NAME +SERVICE +AVAILABLE +AGE$/m);
    for (const name of ['v1.', 'v1.apps', 'v2.autoscaling', 'v1.authorization.k8s.io'])
      assert.match(listed, new RegExp(`^${name.replaceAll('.', '\\.')} +Local +True `, 'm'));
  });

  test('an API whose server does not answer is unavailable, and others are not held up by it', async () => {
    await saying(/default\/berries +False \(FailedDiscoveryCheck\)/);
    const { message } = (
      await cluster.json<{ status: { conditions: { message: string }[] } }>(
        'get apiservice v1.berries.example.com'.split(' '),
      )
    ).status.conditions[0] ?? { message: '' };
    assert.match(
      message,
      /^failing or missing response from https:\/\/localhost:\d+\/apis\/.*connection refused$/,
    );
    const { stderr } = await cluster.kubectl(['get', '--raw', '/apis/berries.example.com/v1/berries']);
    assert.match(stderr, /currently unable to handle the request/);
    await cluster.ok(['get', 'pods']);
  });

  test('when its server comes, kubectl finds, creates, lists, watches and explains its objects', async () => {
    await startExtension();
    await saying(/default\/berries +True/);
    const resources = await cluster.ok(['api-resources', '--api-group=berries.example.com']);
    assert.match(resources, /^berries +bry +berries\.example\.com\/v1 +true +Berry$/m);
    const watching = cluster.background(['get', 'bry', '-w', '-o', 'name']);
    ending.push(async () => void (await watching.kill('SIGKILL')));
    await extension?.saying(/kubernetes-admin watches/);
    await cluster.ok(['create', '--validate=false', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'berries.example.com/v1',
        kind: 'Berry',
        metadata: { name: 'sloe' },
        spec: { colour: 'blue' },
      }),
    });
    assert.equal(await cluster.ok(['get', 'berry', 'sloe', '-o', 'jsonpath={.spec.colour}']), 'blue');
    assert.match(await cluster.ok(['get', 'berries', '-A']), /default +sloe/);
    await watching.saying(/berry\.berries\.example\.com\/sloe/);
    const explained = await until('the OpenAPI document', async () => {
      const { stdout } = await cluster.kubectl(['explain', 'berry.spec']);
      return stdout.includes('colour') && stdout;
    });
    assert.match(explained, /GROUP: +berries\.example\.com/);
    const v2 = JSON.parse(await cluster.ok(['get', '--raw', '/openapi/v2'])) as Record<string, object>;
    assert.ok('com.example.berries.v1.Berry' in (v2.definitions ?? {}));
    assert.ok(!('/elsewhere' in (v2.paths ?? {})));
  });

  test('the other server hears who asks, by name and groups, and no client can claim to be another', async () => {
    const whoami = '/apis/berries.example.com/v1/namespaces/default/berries/whoami';
    const spec = await cluster.ok(['get', '--raw', whoami]);
    assert.match(spec, /"name":"kubernetes-admin"/);
    assert.match(spec, /system:masters/);
    await cluster.ok([
      'create',
      'clusterrole',
      'grower',
      '--verb=get',
      '--resource=berries.berries.example.com',
    ]);
    await cluster.ok(['create', 'clusterrolebinding', 'grower', '--clusterrole=grower', '--group=growers']);
    const answer = await until('anna may read', async () => {
      const answer = await asAnna(whoami);
      return answer.code === 200 && answer;
    });
    const { name, groups } = (JSON.parse(answer.text) as { spec: { name: string; groups: string } }).spec;
    assert.equal(name, 'änna');
    assert.equal(groups, 'devs, growers, system:authenticated');
    assert.equal((await asAnna('/apis/berries.example.com/v1/namespaces/default/berries')).code, 403);
  });

  function asAnna(path: string): Promise<{ code: number; text: string }> {
    return new Promise((resolve, reject) => {
      const request = httpsRequest({
        port: cluster.apiPort,
        path,
        rejectUnauthorized: false,
        agent: false,
        headers: {
          Authorization: `Bearer ${token}`,
          'X-Remote-User': 'root',
          'X-Remote-Group': 'system:masters',
        },
      });
      request.on('error', reject);
      request.on('response', (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ code: response.statusCode ?? 0, text }));
      });
      request.end();
    });
  }

  test('a connection that changes its protocol is passed through both ways', async () => {
    await cluster.ok([
      'create',
      'clusterrole',
      'echo',
      '--verb=get',
      '--resource=berries.berries.example.com/echo',
    ]);
    await cluster.ok(['create', 'clusterrolebinding', 'echo', '--clusterrole=echo', '--group=growers']);
    const path = '/apis/berries.example.com/v1/namespaces/default/berries/sloe/echo';
    await until('anna may upgrade', async () => (await asAnna(path)).code !== 403);
    const heard = await new Promise<string>((resolve, reject) => {
      const request = httpsRequest({
        port: cluster.apiPort,
        path,
        rejectUnauthorized: false,
        agent: false,
        headers: { Authorization: `Bearer ${token}`, Connection: 'Upgrade', Upgrade: 'SPDY/3.1' },
      });
      request.on('error', reject);
      request.on('upgrade', (_response, socket, head) => {
        let text = head.toString();
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.endsWith('over and out\n')) socket.end();
        });
        socket.on('close', () => resolve(text));
        socket.write('over and out\n');
      });
      request.end();
    });
    assert.equal(heard, 'hello änna\nover and out\n');
  });

  const createBerry = (name: string, metadata: object = {}) =>
    cluster.ok(['create', '--validate=false', '-f', '-'], {
      input: JSON.stringify({
        apiVersion: 'berries.example.com/v1',
        kind: 'Berry',
        metadata: { name, ...metadata },
      }),
    });
  const ownedBy = async (apiVersion: string, kind: string, name: string) => {
    const uid = await cluster.ok(['get', kind.toLowerCase(), name, '-o', 'jsonpath={.metadata.uid}']);
    return { ownerReferences: [{ apiVersion, kind, name, uid }] };
  };
  const isGone = async (kind: string, name: string, namespace = 'default') =>
    (await cluster.kubectl(['get', kind, name, '-n', namespace])).code !== 0;

  test('what is owned across servers goes with its owner, both ways', async () => {
    await cluster.ok(['create', 'configmap', 'bush']);
    await createBerry('owned', await ownedBy('v1', 'ConfigMap', 'bush'));
    await createBerry('owner');
    const metadata = { name: 'leaf', ...(await ownedBy('berries.example.com/v1', 'Berry', 'owner')) };
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata }));
    await cluster.ok(['delete', 'configmap', 'bush']);
    await until('the berry is collected', () => isGone('berry', 'owned'));
    assert.equal(await isGone('configmap', 'leaf'), false);
    await cluster.ok(['delete', 'berry', 'owner']);
    await until('the config map is collected', () => isGone('configmap', 'leaf'));
    assert.equal(await isGone('berry', 'sloe'), false);
  });

  test('a namespace is emptied on other servers, too, and waits for one that is away', async () => {
    for (const name of ['orchard', 'heath']) {
      await cluster.ok(['create', 'namespace', name]);
      await createBerry('wild', { namespace: name });
    }
    await cluster.ok(['delete', 'namespace', 'orchard', '--timeout=60s']);
    const { stdout } = await cluster.kubectl(['get', 'berries', '-A', '-o', 'name']);
    assert.equal(stdout.split('\n').filter((line) => line.endsWith('/wild')).length, 1);
    await extension?.kill('SIGKILL');
    await saying(/default\/berries +False/);
    await cluster.ok(['delete', 'namespace', 'heath', '--wait=false']);
    const told = await until('the namespace says what it waits for', async () => {
      const conditions = await cluster.ok(['get', 'ns', 'heath', '-o', 'jsonpath={.status.conditions}']);
      return conditions.includes('NamespaceDeletionDiscoveryFailure') && conditions;
    });
    assert.match(told, /Discovery failed for some groups, 1 failing: .*berries\.example\.com\/v1/);
    await startExtension();
    await until('the namespace is gone', () => isGone('namespace', 'heath'));
  });

  test('when its server goes, the API is unavailable at the next request, and it returns with the server', async () => {
    await extension?.kill('SIGKILL');
    const { code } = await cluster.kubectl(['get', 'berries']);
    assert.notEqual(code, 0);
    await saying(/default\/berries +False \(FailedDiscoveryCheck\)/);
    assert.match(await cluster.ok(['api-resources', '--api-group=apps']), /deployments/);
    await startExtension();
    await saying(/default\/berries +True/);
    await cluster.ok(['get', 'berries']);
  });

  test('a certificate for another name is refused, and a missing Service is told apart', async () => {
    const service = { ...externalService, metadata: { ...externalService.metadata, name: 'other' } };
    await cluster.apply(JSON.stringify(service));
    const patch = (name: string) => {
      const changed = JSON.stringify({ spec: { service: { name } } });
      return cluster.ok(['patch', 'apiservice', 'v1.berries.example.com', '--type=merge', '-p', changed]);
    };
    await patch('other');
    await until('the certificate is for another', async () => {
      const text = await cluster.ok(['get', 'apiservice', 'v1.berries.example.com', '-o', 'yaml']);
      return text.includes('x509: certificate is valid for berries.default.svc, not other.default.svc');
    });
    await patch('nobody');
    await saying(/default\/nobody +False \(ServiceNotFound\)/);
  });
});
