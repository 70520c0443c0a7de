import assert from 'node:assert/strict';
import { realpathSync } from 'node:fs';
import { get as getPlain, type IncomingHttpHeaders } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { WebSocket } from 'ws';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, freePort, Running, root } from './support/programs.ts';
import { openUpgradeRelay } from './support/upgrade-relay.ts';

/** What goes to pods through the API in other ways than plain requests: tunnels, upgrades, methods beside GET. */
const skip = await containersMissing();
const modules = realpathSync(join(root, 'node_modules'));

const program = [
  'import { createServer } from "node:http";',
  `import { WebSocketServer } from "${join(modules, 'ws/wrapper.mjs')}";`,
  'const server = createServer((request, response) => {',
  '  let body = "";',
  '  request.on("data", (data) => { body += data; });',
  '  request.on("end", () => {',
  '    response.setHeader("x-method", request.method);',
  '    response.end(`${request.method} ${request.url} ${body}`);',
  '  });',
  '});',
  'new WebSocketServer({ server }).on("connection", (socket, { url }) => {',
  '  socket.on("message", (data) => socket.send(`${url} ${data}`));',
  '});',
  'server.listen(8000);',
].join('\n');

/** This machine's Node, where the image has none. */
const paths = ['/usr', '/lib', '/lib64', modules];
const echo = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'echo', labels: { app: 'echo' } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: busyboxImage,
        imagePullPolicy: 'Never',
        command: [process.execPath, '--input-type=module', '-e', program],
        ports: [{ containerPort: 8000 }],
        readinessProbe: { tcpSocket: { port: 8000 }, periodSeconds: 1 },
        volumeMounts: paths.map((path, index) => ({ name: `v${index}`, mountPath: path, readOnly: true })),
      },
    ],
    volumes: paths.map((path, index) => ({ name: `v${index}`, hostPath: { path } })),
  },
};

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

describe('beside plain requests', { skip: skip ?? false, timeout: 600_000 }, () => {
  let cluster: Cluster;
  let credentials: RequestOptions;
  const ending: (() => Promise<void>)[] = [];
  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['far'], { runtime: 'oci' });
    await cluster.apply(JSON.stringify(echo));
    await cluster.ok(['expose', 'pod', 'echo', '--port=80', '--target-port=8000']);
    await cluster.ok(['wait', '--for=condition=Ready', 'pod/echo', '--timeout=110s'], { timeoutMs: 120_000 });
    const config = new KubeConfig();
    config.loadFromFile(cluster.kubeconfig);
    credentials = { host: '127.0.0.1', port: cluster.apiPort };
    await config.applyToHTTPSOptions(credentials);
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const ask = (method: string, path: string, body = ''): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const headers = body === '' ? {} : { 'content-length': body.length };
      const asking = request({ ...credentials, method, path, headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (data: Buffer) => (text += data.toString()));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        );
      });
      asking.on('error', reject);
      asking.end(body);
    });

  const places = {
    'a pod': '/api/v1/namespaces/default/pods/echo:8000/proxy',
    'a service': '/api/v1/namespaces/default/services/echo:80/proxy',
  };
  for (const [what, place] of Object.entries(places)) {
    test(`${what} gets requests of every method`, async () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const body = method === 'GET' ? '' : 'said';
        const answer = await ask(method, `${place}/page?x=1`, body);
        assert.equal(answer.status, 200, `${method}: ${answer.body}`);
        assert.equal(answer.body, `${method} /page?x=1 ${body}`);
      }
      const head = await ask('HEAD', `${place}/page`);
      assert.deepEqual([head.status, head.headers['x-method'], head.body], [200, 'HEAD', '']);
    });

    test(`${what} can be talked to over a WebSocket`, async () => {
      const url = `wss://127.0.0.1:${cluster.apiPort}${place}/socket`;
      const { ca, cert, key } = credentials;
      const socket = new WebSocket(url, { ca, cert, key, servername: '' } as WebSocket.ClientOptions);
      const answers: string[] = [];
      await new Promise<void>((resolve, reject) => {
        socket.on('open', () => socket.send('hello'));
        socket.on('error', reject);
        socket.on('message', (data: Buffer) => {
          answers.push(data.toString());
          if (answers.length === 2) resolve();
          else socket.send('again');
        });
      });
      assert.deepEqual(answers, ['/socket hello', '/socket again']);
      socket.close();
    });
  }

  test('kubectl forwards ports and runs commands where only WebSockets come through', async () => {
    await using relay = await openUpgradeRelay(credentials);
    const environment = { ...cluster.environment, KUBECONFIG: '/dev/null' };
    const port = await freePort();
    const args = ['--server', relay.url];
    const forward = new Running(
      'kubectl',
      [...args, 'port-forward', 'pod/echo', `${port}:8000`],
      environment,
    );
    await forward.saying(/Forwarding from 127\.0\.0\.1/, 60_000);
    const pages = await Promise.all(
      Array.from({ length: 10 }, (_none, index) => page(`http://127.0.0.1:${port}/${index}`)),
    );
    assert.deepEqual(
      pages,
      pages.map((_page, index) => `GET /${index} `),
    );
    await forward.kill('SIGTERM');
    const said = await finish('kubectl', [...args, 'exec', 'echo', '--', 'echo', 'through'], {
      env: environment,
    });
    assert.equal(said.stdout, 'through\n', said.stderr);

    assert.deepEqual(new Set(relay.asked.map(({ upgrade }) => upgrade)), new Set(['websocket']));
    const [tunnel] = relay.asked.filter(({ path }) => path.endsWith('/portforward'));
    assert.match(tunnel?.subprotocols ?? '', /SPDY\/3\.1\+portforward\.k8s\.io/);
  });
});

function page(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    getPlain(url, { agent: false }, (response) => {
      let text = '';
      response.on('data', (data: Buffer) => (text += data.toString()));
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}
