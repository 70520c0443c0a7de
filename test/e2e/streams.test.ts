import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { Attach, Exec, KubeConfig, PortForward, type V1Status } from '@kubernetes/client-node';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, freePort, hasProgram, Running, until } from './support/programs.ts';
import { WritableStreamBuffer } from './support/stream-buffer.ts';

/** Streams into real podman containers, as people open them: with kubectl of today and of years ago, and from programs. */
const skip = await containersMissing();
const old = (await hasProgram('kubectl-1.20')) ? ['kubectl-1.20'] : [];
const clients = ['kubectl', ...old];

const bigBytes = 8 * 1024 * 1024;
const web = [
  'ln -s busybox /bin/tar; mkdir -p /www/sub; echo hello > /www/index.html',
  `head -c ${bigBytes} /dev/urandom > /www/big; busybox httpd -p 80 -h /www; busybox httpd -p 127.0.0.1:81 -h /www`,
  'while read line; do echo "got $line"; done; exec sleep 1000',
].join('; ');

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    runtimeClassName: 'oci',
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: busyboxImage,
        imagePullPolicy: 'Never',
        stdin: true,
        command: ['sh', '-c', web],
        ports: [{ containerPort: 80, name: 'http' }],
      },
    ],
  },
};

/** The size comes a moment after the terminal. */
const waitForSize =
  'for try in $(seq 50); do test "$(stty size 2>/dev/null)" = "33 99" && break; sleep 0.2; done';

/** The engine ends a container's input with the session that gave it some, so that each session has a pod of its own. */
function echoPod(name: string): object {
  const [main] = pod.spec.containers;
  const command = ['sh', '-c', 'while read line; do echo "got $line"; done; exec sleep 1000'];
  return { ...pod, metadata: { name }, spec: { ...pod.spec, containers: [{ ...main, command, ports: [] }] } };
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}

function get(port: number, path: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () => resolve(Buffer.concat(chunks)));
    });
    call.on('error', reject);
    call.end();
  });
}

describe('streams into containers', { skip, timeout: 300_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['one'], { runtime: 'auto' });
    const echoes = [...clients.map((client) => `echo-${client}`), 'echo-js'].map(echoPod);
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [pod, ...echoes] }));
    await cluster.ok(['wait', '--for=condition=Ready', 'pod', '--all', '--timeout=60s'], {
      timeoutMs: 70_000,
    });
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const run = (client: string, args: string[]) => finish(client, args, { env: cluster.environment });

  for (const client of clients) {
    test(`${client}: exec keeps exit codes, and cp files, both ways`, async () => {
      const failing = await run(client, ['exec', 'web', '--', 'sh', '-c', 'echo out; echo bad >&2; exit 42']);
      assert.deepEqual([failing.code, failing.stdout], [42, 'out\n']);
      assert.match(failing.stderr, /^bad$/m);
      const sent = randomBytes(2 * 1024 * 1024);
      const [from, back] = [join(cluster.directory, 'sent'), join(cluster.directory, 'back')];
      await writeFile(from, sent);
      await run(client, ['cp', from, 'web:/tmp/file']);
      const sum = await run(client, ['exec', 'web', '--', 'busybox', 'md5sum', '/tmp/file']);
      assert.ok(sum.stdout.startsWith(md5(sent)), sum.stdout + sum.stderr);
      await run(client, ['cp', 'web:/tmp/file', back]);
      assert.equal(md5(await readFile(back)), md5(sent));
    });

    test(`${client}: a forwarded port carries many requests at once, also to what listens on loopback only`, async () => {
      const [port, inner, none] = [await freePort(), await freePort(), await freePort()];
      const ports = [`${port}:80`, `${inner}:81`];
      const forward = new Running(client, ['port-forward', 'pod/web', ...ports], cluster.environment);
      await forward.saying(new RegExp(`Forwarding from 127.0.0.1:${inner}`));
      const answers = await Promise.all(Array.from({ length: 50 }, () => get(port, '/index.html')));
      assert.ok(answers.every((answer) => answer.toString() === 'hello\n'));
      assert.equal((await get(inner, '/index.html')).toString(), 'hello\n');
      const sum = await run('kubectl', ['exec', 'web', '--', 'busybox', 'md5sum', '/www/big']);
      assert.ok(sum.stdout.startsWith(md5(await get(port, '/big'))));
      await forward.kill('SIGTERM');
      const closed = new Running(client, ['port-forward', 'pod/web', `${none}:99`], cluster.environment);
      await closed.saying(/Forwarding from 127/);
      await get(none, '/').catch(() => undefined);
      await closed.saying(/error forwarding port 99 to pod .*connection refused/);
      await closed.kill('SIGKILL');
    });

    test(`${client}: exec -it has a terminal of our size`, async () => {
      const command = `stty rows 33 cols 99; ${client} exec -it web -- sh -c '${waitForSize}; stty size'`;
      const { stdout } = await finish('script', ['-qfec', command, '/dev/null'], {
        env: cluster.environment,
      });
      assert.match(stdout, /33 99/);
    });

    test(`${client}: attach hands on what it is given, and shows what is said`, async () => {
      const attached = new Running(client, ['attach', '-i', `echo-${client}`], cluster.environment);
      await until(
        'an echo',
        () => {
          attached.child.stdin?.write(`${client}\n`);
          return attached.output.includes(`got ${client}`);
        },
        { pollMs: 300, describe: () => attached.output },
      );
      await attached.kill('SIGKILL');
    });
  }

  test('a large file passes through exec unharmed', async () => {
    const sent = randomBytes(50 * 1024 * 1024);
    const file = join(cluster.directory, 'large');
    await writeFile(file, sent);
    const piped = `kubectl exec -i web -- cat < ${file} | md5sum`;
    const { stdout } = await finish('sh', ['-c', piped], { env: cluster.environment });
    assert.ok(stdout.startsWith(md5(sent)), stdout);
  });

  test('run -it --rm shows its output, keeps its exit code and leaves nothing', async () => {
    const overrides = JSON.stringify({ spec: { runtimeClassName: 'oci' } });
    const args = `--image=${busyboxImage} --image-pull-policy=Never --restart=Never --overrides='${overrides}'`;
    const command = `kubectl run once -i --rm ${args} -- sh -c 'read x; echo "read $x"; sleep 1; exit 5'`;
    const { code, stdout, stderr } = await finish('sh', ['-c', `(sleep 3; echo hi) | ${command}`], {
      env: cluster.environment,
    });
    assert.match(stdout, /read hi/, stderr);
    assert.equal(code, 5, stderr);
    assert.equal((await cluster.kubectl(['get', 'pod', 'once'])).code, 1);
  });

  test('pods, services and nodes answer through the API', async () => {
    const raw = (path: string) => cluster.ok(['get', '--raw', path]);
    const pods = '/api/v1/namespaces/default/pods';
    assert.equal(await raw(`${pods}/web:80/proxy/`), 'hello\n');
    assert.equal(await raw(`${pods}/web:http/proxy/index.html`), 'hello\n');
    await cluster.ok(['expose', 'pod', 'web', '--port=8080', '--target-port=80']);
    const service = '/api/v1/namespaces/default/services/web:8080/proxy/index.html';
    assert.equal(await until('endpoints', () => raw(service).catch(() => undefined)), 'hello\n');
    assert.equal(await raw('/api/v1/nodes/one/proxy/healthz'), 'ok');
    const refused = await cluster.kubectl(['get', '--raw', `${pods}/web:99/proxy/`]);
    assert.match(
      refused.stderr,
      /error trying to reach service: dial tcp .*:99: connect: connection refused/,
    );
  });

  test('kubectl proxy serves a program of a pod', async () => {
    const port = await freePort();
    const proxy = cluster.background(['proxy', `--port=${port}`]);
    await proxy.saying(/Starting to serve/);
    const page = await get(port, '/api/v1/namespaces/default/pods/web/proxy/index.html');
    assert.equal(page.toString(), 'hello\n');
    await proxy.kill('SIGTERM');
  });

  test('the JavaScript client executes, attaches and forwards', async () => {
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    const out = new WritableStreamBuffer();
    const status = await new Promise<V1Status>((resolve, reject) => {
      void new Exec(config)
        .exec('default', 'web', 'main', ['sh', '-c', 'echo js; exit 3'], out, null, null, false, resolve)
        .catch(reject);
    });
    assert.deepEqual([out.text, status.details?.causes?.[0]?.message], ['js\n', '3']);

    const said = new WritableStreamBuffer();
    const input = new PassThrough();
    const socket = await new Attach(config).attach('default', 'echo-js', 'main', said, null, input, false);
    await until(
      'an echo',
      () => {
        input.write('from js\n');
        return said.text.includes('got from js');
      },
      { pollMs: 300 },
    );
    socket.close();

    const answer = new WritableStreamBuffer();
    const asked = new PassThrough();
    await new PortForward(config).portForward('default', 'web', [80], answer, null, asked);
    asked.write('GET /index.html HTTP/1.0\r\n\r\n');
    await until('the page', () => answer.text.endsWith('hello\n'));
  });

  test('a link that drops ends a session with an error, and kubectl says so', async () => {
    const session = cluster.background(['exec', 'web', '--', 'sh', '-c', 'echo begun; sleep 100']);
    await session.saying(/begun/);
    await cluster.agents.get('one')?.kill('SIGKILL');
    assert.notEqual(await session.exited, 0);
    assert.match(session.output, /node one disconnected/);
    await cluster.startAgent('one', { runtime: 'auto' });
    await cluster.waitForNode('one', 'True');
  });
});
