import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import { type Action, actionOf } from '../../../../agent/probes/action.ts';
import { takeAction } from '../../../../agent/probes/take-action.ts';
import { systemClock } from '../../../../lib/clock.ts';

async function listening(context: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket));
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

function take(action: Action, signal = new AbortController().signal) {
  const exec = () => Promise.reject(new Error('no container'));
  return takeAction(action, { clock: systemClock, address: () => '127.0.0.1', exec }, signal);
}

suite('what probes and hooks do', () => {
  test('httpGet: 200 to 399 is success, its headers and path are sent, other codes fail in kubelet’s words', async (t) => {
    const seen: string[] = [];
    const server = createHttpServer((request, response) => {
      seen.push(
        [request.url, request.headers['x-test'], request.headers['user-agent'], request.headers.host].join(
          ' ',
        ),
      );
      response.statusCode = Number(request.url?.slice(1));
      response.end('said');
    });
    const port = await listening(t, server);
    const get = (code: number) =>
      actionOf(
        {
          httpGet: {
            port: 'web',
            path: `${code}`,
            httpHeaders: [
              { name: 'X-Test', value: 'yes' },
              { name: 'host', value: 'example.org' },
            ],
          },
        },
        [{ name: 'web', containerPort: port }],
      );
    for (const code of [200, 204, 399]) assert.equal((await take(get(code))).result, 'success', String(code));
    for (const code of [400, 503])
      assert.deepEqual(await take(get(code)), {
        result: 'failure',
        message: `HTTP probe failed with statuscode: ${code}`,
      });
    assert.equal(seen[0], '/200 yes kube-probe/1.36 example.org');
  });

  test('httpGet: a redirect is followed on the same host, and elsewhere is a warning', async (t) => {
    const server = createHttpServer((request, response) => {
      if (request.url === '/end') return void response.end();
      const location =
        request.url === '/here' ? '/end' : request.url === '/loop' ? '/loop' : 'http://other.example/';
      response.writeHead(302, { location }).end();
    });
    const port = await listening(t, server);
    const get = (path: string) => take(actionOf({ httpGet: { port, path } }, []));
    assert.equal((await get('/here')).result, 'success');
    assert.equal((await get('/away')).result, 'warning');
    assert.match((await get('/loop')).message, /stopped after 10 redirects/);
  });

  test('nobody listens: connection refused, as Go words it', async (t) => {
    const server = createServer();
    const port = await listening(t, server);
    server.close();
    await once(server, 'close');
    const refused = `dial tcp 127.0.0.1:${port}: connect: connection refused`;
    assert.deepEqual(await take({ type: 'tcpSocket', host: undefined, port }), {
      result: 'failure',
      message: refused,
    });
    const get = await take(actionOf({ httpGet: { port } }, []));
    assert.equal(get.message, `Get "http://127.0.0.1:${port}/": ${refused}`);
  });

  test('tcpSocket: a connection is enough', async (t) => {
    const port = await listening(
      t,
      createServer((socket) => socket.destroy()),
    );
    assert.equal((await take(actionOf({ tcpSocket: { port } }, []))).result, 'success');
  });

  test('grpc: SERVING is success; other states, unknown services and servers without health checks fail', async (t) => {
    const server = createHttp2Server();
    server.on('stream', (stream: ServerHttp2Stream) => {
      const parts: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => parts.push(chunk));
      stream.on('end', () => {
        const service = Buffer.concat(parts).subarray(7).toString();
        const status = { '': 1, down: 2 }[service];
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        const code = status === undefined ? (service === 'none' ? 12 : 5) : 0;
        stream.on('wantTrailers', () =>
          stream.sendTrailers({ 'grpc-status': String(code), 'grpc-message': service }),
        );
        stream.end(status === undefined ? undefined : Buffer.from([0, 0, 0, 0, 2, 8, status]));
      });
    });
    const port = await listening(t, server);
    const check = (service: string) => take(actionOf({ grpc: { port, service } }, []));
    assert.equal((await check('')).result, 'success');
    assert.match((await check('down')).message, /responded with "NOT_SERVING"/);
    assert.match((await check('none')).message, /does not implement the grpc health protocol/);
    assert.match((await check('other')).message, /health rpc probe failed: code 5: other/);
  });

  test('each ends when its time is up, with the reason in words', async (t) => {
    const port = await listening(
      t,
      createServer(() => {}),
    );
    const silent: Action[] = [
      actionOf({ httpGet: { port } }, []),
      actionOf({ grpc: { port } }, []),
      actionOf({ sleep: { seconds: 60 } }, []),
    ];
    for (const action of silent) {
      const abort = new AbortController();
      const taken = take(action, abort.signal);
      abort.abort(new Error('time is up'));
      const { result, message } = await taken;
      assert.equal(result, 'failure', action.type);
      assert.match(message, /time is up/);
    }
  });

  test('what cannot be tried says nothing about the container', async () => {
    assert.deepEqual(await take(actionOf({ httpGet: { port: 'nope' } }, [])), {
      result: 'unknown',
      message: '"nope" is not a port of the container',
    });
    assert.equal((await take({ type: 'exec', command: ['x'] })).result, 'unknown');
  });
});
