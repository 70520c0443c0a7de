import assert from 'node:assert/strict';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createWebSocketStream, WebSocket } from 'ws';
import { StatusError } from '../../../../../protocol/status.ts';
import { eventually } from '../../../../support/eventually.ts';
import { SpdyClient } from '../../../../support/spdy-client.ts';
import { type ApiFixture, openApi } from '../api-fixture.ts';
import { samplePod } from '../sample-objects.ts';

const pods = '/api/v1/namespaces/default/pods';

describe('forwarded ports', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
    await api.create(pods, samplePod('one', { nodeName: 'n1' }));
    await api.create(pods, samplePod('waiting'));
    const status = { phase: 'Running', podIP: '10.0.0.9' };
    await api.send('PATCH', `${pods}/one/status`, {
      contentType: 'application/merge-patch+json',
      body: { status },
    });
  });
  beforeEach(() => {
    api.podStreams.refusal = undefined;
    api.podStreams.answer = (_port, socket) => void socket.pipe(socket);
  });
  after(() => api[Symbol.asyncDispose]());

  function spdy(): Promise<SpdyClient> {
    return new Promise((resolve, reject) => {
      const call = request({
        host: '127.0.0.1',
        port: api.server.port,
        method: 'POST',
        path: `${pods}/one/portforward`,
        ca: api.authority.ca,
        headers: {
          Authorization: 'Bearer admin-token',
          Connection: 'Upgrade',
          Upgrade: 'SPDY/3.1',
          'X-Stream-Protocol-Version': 'portforward.k8s.io',
        },
      });
      call.on('error', reject);
      call.on('upgrade', (_answer, socket: Duplex) => resolve(new SpdyClient(socket)));
      call.end();
    });
  }

  function webSocket(query: string, protocol: string): WebSocket {
    return new WebSocket(`wss://127.0.0.1:${api.server.port}${pods}/one/portforward?${query}`, protocol, {
      ca: api.authority.ca,
      headers: { Authorization: 'Bearer admin-token' },
    });
  }

  async function connection(client: SpdyClient, port: number, requestid: string) {
    const error = await client.open({ streamtype: 'error', port: String(port), requestid }, { fin: true });
    const data = await client.open({ streamtype: 'data', port: String(port), requestid });
    return { error, data };
  }

  async function manyConnections(client: SpdyClient): Promise<void> {
    const count = 50;
    const opened = await Promise.all(
      Array.from({ length: count }, (_, index) => connection(client, 80 + index, String(index))),
    );
    for (const [index, { data }] of opened.entries()) data.end(`hello ${index}`);
    await Promise.all(opened.flatMap(({ data, error }) => [data.ended, error.ended]));
    assert.deepEqual(
      opened.map(({ data, error }) => [data.text, error.text]),
      Array.from({ length: count }, (_, index) => [`hello ${index}`, '']),
    );
    client.transport.destroy();
  }

  test('many connections at once, each to its end, over SPDY', async () => manyConnections(await spdy()));

  test('and over SPDY in a WebSocket', async () => {
    const name = 'SPDY/3.1+portforward.k8s.io';
    let taken: string | undefined;
    // The slash in the name is against the standard, so the library is not told of it.
    const socket = new WebSocket(`wss://127.0.0.1:${api.server.port}${pods}/one/portforward`, [], {
      ca: api.authority.ca,
      headers: { Authorization: 'Bearer admin-token', 'Sec-WebSocket-Protocol': name },
      finishRequest: (call) => {
        call.prependListener('upgrade', (answer) => {
          taken = answer.headers['sec-websocket-protocol'];
          delete answer.headers['sec-websocket-protocol'];
        });
        call.end();
      },
    });
    await new Promise((resolve) => socket.once('open', resolve));
    assert.equal(taken, name);
    await manyConnections(new SpdyClient(createWebSocketStream(socket)));
  });

  test('a half-closed connection still answers', async () => {
    api.podStreams.answer = (_port, socket) => {
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
      socket.on('end', () => socket.end(`all of ${text}`));
    };
    const client = await spdy();
    const { data } = await connection(client, 80, '1');
    data.end('this');
    await data.ended;
    assert.equal(data.text, 'all of this');
    client.transport.destroy();
  });

  test('why there is no connection is told on the stream for errors, in words that people know', async () => {
    api.podStreams.refusal = new StatusError(
      'ServiceUnavailable',
      'dial tcp 127.0.0.1:81: connect: connection refused',
    );
    const client = await spdy();
    const { error, data } = await connection(client, 81, '1');
    await Promise.all([error.ended, data.ended]);
    assert.match(
      error.text,
      /^error forwarding port 81 to pod [-0-9a-f]+, uid : .*connect: connection refused$/,
    );
    client.transport.destroy();
  });

  test('a client that leaves, or resets a connection, ends what it had at the device', async () => {
    const gone: number[] = [];
    api.podStreams.answer = (port, socket) => void socket.once('close', () => gone.push(port));
    const client = await spdy();
    const { data } = await connection(client, 1, '1');
    await connection(client, 2, '2');
    data.abort();
    await eventually(() => gone.includes(1), 'the first is gone');
    client.transport.destroy();
    await eventually(() => gone.includes(2), 'the second too');
  });

  test('streams without a sensible port or kind are refused', async () => {
    const client = await spdy();
    for (const headers of [
      { streamtype: 'data' },
      { streamtype: 'data', port: '0' },
      { streamtype: 'x', port: '1' },
    ])
      assert.equal((await client.open(headers as Record<string, string>)).reset, 3);
    client.transport.destroy();
  });

  test('the old way: two channels for each port, that begin with the port', async () => {
    const socket = webSocket('ports=80,443', 'v4.channel.k8s.io');
    const received = new Map<number, Buffer>();
    socket.on('message', (message: Buffer) => {
      const channel = message[0] ?? -1;
      received.set(channel, Buffer.concat([received.get(channel) ?? Buffer.alloc(0), message.subarray(1)]));
    });
    await eventually(() => received.size === 4, 'every channel has begun');
    assert.deepEqual(
      [0, 1, 2, 3].map((channel) => received.get(channel)?.readUInt16LE(0)),
      [80, 80, 443, 443],
    );
    socket.send(Buffer.from('\u0002over 443'));
    await eventually(() => received.get(2)?.subarray(2).toString() === 'over 443', 'the echo');
    assert.equal(received.get(0)?.length, 2);
    socket.terminate();
  });

  test('what cannot be forwarded is refused before the upgrade', async () => {
    const refused = async (path: string) => (await api.send('POST', `${pods}/${path}`)).json().message;
    assert.match(await refused('waiting/portforward'), /does not have a host assigned/);
    assert.match(await refused('one/portforward'), /Upgrade request required/);
    const dev = await api.send('GET', `${pods}/one/portforward`, { token: 'dev-token' });
    assert.match(dev.json().message, /cannot create resource "pods\/portforward"/);
    const wrong = webSocket('ports=70000', 'v4.channel.k8s.io');
    const code = await new Promise((resolve) =>
      wrong.once('unexpected-response', (_request, answer) => resolve(answer.statusCode)),
    );
    wrong.on('error', () => {});
    wrong.terminate();
    assert.equal(code, 400);
  });

  test('a request to a pod is handed on with its method, path, query and body; the answer comes back', async () => {
    let seen = '';
    api.podStreams.answer = (_port, socket) => {
      socket.on('data', (chunk: Buffer) => {
        seen += chunk.toString();
        if (!seen.includes('payload') && !seen.startsWith('GET')) return;
        socket.end('HTTP/1.1 201 Created\r\nX-Own: yes\r\nLocation: /there\r\nContent-Length: 4\r\n\r\ndone');
      });
    };
    const answer = await api.send('POST', `${pods}/one:8080/proxy/a//b?c=d%20e`, { body: 'payload' });
    assert.deepEqual([answer.code, answer.text, answer.headers['x-own']], [201, 'done', 'yes']);
    assert.equal(answer.headers['location'], `${pods}/one:8080/proxy/there`);
    assert.match(seen, /^POST \/a\/\/b\?c=d%20e HTTP\/1\.1\r\nHost: 10\.0\.0\.9:8080\r\n/);
    assert.doesNotMatch(seen, /admin-token/, 'what proves who asks is not for others');
    assert.deepEqual(
      [api.podStreams.dialed.at(-1)?.port, api.podStreams.dialed.at(-1)?.to],
      [8080, 'address'],
    );
    const root = await api.send('GET', `${pods}/one/proxy?x=1`);
    assert.deepEqual([root.code, root.headers['location']], [301, `${pods}/one/proxy/?x=1`]);
    api.podStreams.refusal = new StatusError(
      'ServiceUnavailable',
      'dial tcp 10.0.0.9:80: connect: connection refused',
    );
    const failed = await api.send('GET', `${pods}/one/proxy/`);
    assert.deepEqual(
      [failed.code, failed.json().message],
      [503, 'error trying to reach service: dial tcp 10.0.0.9:80: connect: connection refused'],
    );
  });

  test('an answer of a pod that switches protocols is handed on', async () => {
    api.podStreams.answer = (_port, socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
        socket.pipe(socket);
      });
    };
    const echoed = await new Promise<string>((resolve, reject) => {
      const call = request({
        host: '127.0.0.1',
        port: api.server.port,
        path: `${pods}/one/proxy/socket`,
        ca: api.authority.ca,
        headers: { Authorization: 'Bearer admin-token', Connection: 'Upgrade', Upgrade: 'echo' },
      });
      call.on('error', reject);
      call.on('upgrade', (_answer, socket: Duplex) => {
        socket.once('data', (chunk: Buffer) => {
          socket.destroy();
          resolve(chunk.toString());
        });
        socket.write('both ways');
      });
      call.end();
    });
    assert.equal(echoed, 'both ways');
  });
});
