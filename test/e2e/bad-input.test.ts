import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { containersMissing } from './support/images.ts';
import { containerDeployment, processDeployment } from './support/manifests.ts';
import { finish, launcher, until } from './support/programs.ts';

const noContainers = await containersMissing();

describe('bad input gets a clear error and loses nothing', { timeout: 200_000 }, () => {
  test('malformed YAML, a wrong type, a bad name and an oversize object are refused by name', async (t) => {
    const cluster = await Cluster.start(t);
    const refused = async (input: string, pattern: RegExp) => {
      const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { input });
      assert.equal(code, 1, stderr);
      assert.match(stderr, pattern);
    };
    await refused('a: [b', /error (parsing|converting)/);
    await refused(
      processDeployment('x').replace('replicas: 1', 'replicas: many'),
      /cannot unmarshal string into Go struct field/,
    );
    await refused(processDeployment('Wrong_Name'), /Invalid value: "Wrong_Name".*RFC 1123/);
    await refused(
      processDeployment('x').replace('matchLabels: {app: x}', 'matchLabels: {app: other}'),
      /`selector` does not match template `labels`/,
    );
    const configMap = (bytes: number) =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: big}\ndata: {a: ${'x'.repeat(bytes)}}\n`;
    await refused(configMap(3 * 1024 * 1024 + 100_000), /[Rr]equest entity too large|limit is 3145728/);
    await refused(configMap(2 * 1024 * 1024), /[Tt]oo long|too large|must have at most/);
    const stored = await cluster.ok(['get', 'deployments,configmaps', '-o', 'name']);
    assert.equal(stored, 'configmap/kube-root-ca.crt\n');
    await cluster.ok(['create', '-f', '-'], { input: configMap(900_000) });
  });

  test('an unknown image is told in the pod, and nothing else suffers', { skip: noContainers }, async (t) => {
    const cluster = await Cluster.start(t);
    await cluster.addNodes(['one'], { runtime: 'auto' });
    await cluster.apply(containerDeployment('lost', 'localhost/no-such-image:9'));
    await cluster.apply(processDeployment('fine'));
    await cluster.readyPods('fine', 1);
    await until('the reason is shown', async () =>
      /ErrImageNeverPull|ErrImagePull|ImagePullBackOff/.test(
        await cluster.ok(['get', 'pods', '-l', 'app=lost']),
      ),
    );
    const [pod] = await cluster.pods('lost');
    assert.match(await cluster.ok(['describe', 'pod', pod?.name ?? '']), /no-such-image/);
  });

  test('a port in use, an unusable data folder and a wrong setting end the server with one clear line', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-bad-'));
    const blocker = createServer().listen(0, '127.0.0.1');
    t.after(async () => {
      blocker.close();
      await rm(directory, { recursive: true, force: true });
    });
    await until('listening', () => blocker.listening);
    const address = blocker.address();
    const port = typeof address === 'object' && address ? String(address.port) : '';
    const start = (data: string, ...more: string[]) => finish(launcher, ['server', '--data', data, ...more]);

    const inUse = await start(join(directory, 'a'), '--api-port', port, '--mqtt-port', '0');
    assert.equal(inUse.code, 1);
    assert.match(inUse.stderr, new RegExp(`port ${port} .*in use`));
    assert.doesNotMatch(inUse.stderr, /^ +at /m, 'no stack trace for a person');

    await writeFile(join(directory, 'file'), '');
    const notFolder = await start(join(directory, 'file'), '--api-port', '0', '--mqtt-port', '0');
    assert.equal(notFolder.code, 1);
    assert.match(notFolder.stderr, /flotilla: .*file/);
    assert.doesNotMatch(notFolder.stderr, /^ +at /m);

    const wrong = await start(join(directory, 'a'), '--bind', 'somewhere');
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /bind: must be an IP address/);
    const unknown = await start(join(directory, 'a'), '--prot', '1');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /--prot/);
  });

  test('a read-only data folder is named', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-ro-'));
    t.after(() => finish('sh', ['-c', `umount ${directory}/ro 2>/dev/null; rm -rf ${directory}`]));
    await mkdir(join(directory, 'ro'));
    // Root may write anywhere that is not mounted read-only.
    const mounted = await finish('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', join(directory, 'ro')]).catch(
      () => undefined,
    );
    if (mounted?.code !== 0) {
      if (process.getuid?.() === 0) return t.skip('mount is not permitted here');
      await chmod(join(directory, 'ro'), 0o500);
    }
    const { code, stderr } = await finish(launcher, [
      'server',
      '--data',
      join(directory, 'ro/data'),
      '--api-port',
      '0',
      '--mqtt-port',
      '0',
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /ro\/data/);
    assert.doesNotMatch(stderr, /^ +at /m);
  });

  test('a second server on the same data folder is refused, and the first goes on', async (t) => {
    const cluster = await Cluster.start(t);
    const second = await finish(launcher, [
      'server',
      '--data',
      cluster.serverData,
      '--api-port',
      '0',
      '--mqtt-port',
      '0',
    ]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /another|in use|lock/i);
    await cluster.ok(['get', 'namespaces']);
  });

  test('a full disk refuses writes in words, loses nothing acknowledged, and heals when there is room', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-full-'));
    let cluster: Cluster | undefined;
    t.after(async () => {
      await cluster?.stop();
      await finish('sh', ['-c', `umount ${directory} 2>/dev/null; rm -rf ${directory}`]);
    });
    const mounted = await finish('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', directory]);
    if (mounted.code !== 0) return t.skip('mount is not permitted here');
    cluster = await Cluster.start(t, { serverData: join(directory, 'data') });
    const acknowledged: string[] = [];
    let refusal = '';
    for (let index = 0; index < 60 && refusal === ''; index += 1) {
      const input = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fill-${index}}\nbinaryData: {a: ${randomBase64(700_000)}}\n`;
      const { code, stderr } = await cluster.kubectl(['create', '-f', '-'], { input });
      if (code === 0) acknowledged.push(`configmap/fill-${index}`);
      else refusal = stderr;
    }
    assert.match(refusal, /disk|space|storage/i);
    const present = (
      await cluster.ok([
        'get',
        'configmaps',
        '-o',
        'name',
        '--field-selector=metadata.name!=kube-root-ca.crt',
      ])
    )
      .trim()
      .split('\n');
    assert.deepEqual(present.sort(), acknowledged.sort(), 'reads go on and hold everything acknowledged');
    await finish('mount', ['-o', 'remount,size=96m', directory]);
    await until(
      'writes work again',
      async () => (await cluster.kubectl(['create', 'configmap', 'after'])).code === 0,
      {
        timeoutMs: 20_000,
      },
    );
    await cluster.killServer();
    await cluster.startServer();
    const after = (
      await cluster.ok([
        'get',
        'configmaps',
        '-o',
        'name',
        '--field-selector=metadata.name!=kube-root-ca.crt',
      ])
    )
      .trim()
      .split('\n');
    assert.deepEqual(after.sort(), [...acknowledged, 'configmap/after'].sort());
  });
});

/** Text that does not compress. */
function randomBase64(bytes: number): string {
  return randomBytes(bytes).toString('base64');
}
