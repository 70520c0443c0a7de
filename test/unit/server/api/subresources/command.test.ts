import assert from 'node:assert/strict';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { eventually } from '../../../../support/eventually.ts';
import { type ClientStream, SpdyClient } from '../../../../support/spdy-client.ts';
import { type ApiFixture, openApi } from '../api-fixture.ts';
import { samplePod } from '../sample-objects.ts';

const pods = '/api/v1/namespaces/default/pods';

describe('sessions of clients that speak SPDY', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
    await api.create(pods, samplePod('one', { nodeName: 'n1' }));
  });
  after(() => api[Symbol.asyncDispose]());

  interface Answer {
    code: number;
    headers: Record<string, unknown>;
    text: string;
    client: SpdyClient | undefined;
  }

  function upgrade(
    path: string,
    { protocols = ['v4.channel.k8s.io'], method = 'POST', token = 'admin-token' } = {},
  ) {
    return new Promise<Answer>((resolve, reject) => {
      const call = request({
        host: '127.0.0.1',
        port: api.server.port,
        method,
        path: `${pods}/${path}`,
        ca: api.authority.ca,
        headers: {
          Authorization: `Bearer ${token}`,
          Connection: 'Upgrade',
          Upgrade: 'SPDY/3.1',
          ...(protocols.length > 0 ? { 'X-Stream-Protocol-Version': protocols } : {}),
        },
      });
      call.on('error', reject);
      call.on('upgrade', ({ statusCode: code = 0, headers }, socket: Duplex) =>
        resolve({ code, headers, text: '', client: new SpdyClient(socket) }),
      );
      call.on('response', (response) => {
        const { statusCode: code = 0, headers } = response;
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ code, headers, text, client: undefined }));
      });
      call.end();
    });
  }

  async function open(
    query: string,
    types: string[],
    options: { protocols?: string[]; method?: string } = {},
  ) {
    const { client, headers } = await upgrade(`one/exec?${query}`, options);
    assert.ok(client);
    const streams: Record<string, ClientStream> = {};
    for (const streamtype of types) streams[streamtype] = await client.open({ streamtype });
    return {
      client,
      headers,
      streams: streams as Record<'error' | 'stdin' | 'stdout' | 'stderr' | 'resize', ClientStream>,
    };
  }

  test('a command runs with its outputs apart, and its exit code is a Status', async () => {
    const session = await open('command=exit&command=42&stdout=1&stderr=1', ['error', 'stdout', 'stderr']);
    const { error, stdout, stderr } = session.streams;
    await Promise.all([error.ended, stdout.ended, stderr.ended]);
    assert.deepEqual([stdout.text, stderr.text], ['', 'leaving\n']);
    assert.deepEqual(JSON.parse(error.text).details, { causes: [{ reason: 'ExitCode', message: '42' }] });
    assert.equal(session.headers['x-stream-protocol-version'], 'v4.channel.k8s.io');
    session.client.transport.end();
  });

  test('success is a Status too, and without output nothing is lost', async () => {
    const { streams, client } = await open('command=echo&command=hi&stdout=1', ['error', 'stdout'], {
      method: 'GET',
    });
    await Promise.all([streams.error.ended, streams.stdout.ended]);
    assert.deepEqual([streams.stdout.text, JSON.parse(streams.error.text).status], ['hi\n', 'Success']);
    client.transport.end();
  });

  test('input ends when the client ends its stream', async () => {
    const { streams, client } = await open('command=cat&stdin=1&stdout=1', ['error', 'stdin', 'stdout']);
    streams.stdin.write('a');
    streams.stdin.end('b');
    await Promise.all([streams.stdout.ended, streams.stdin.ended]);
    assert.equal(streams.stdout.text, 'ab');
    client.transport.end();
  });

  test('the terminal is resized, also by sizes that come cut or in a row', async () => {
    const query = 'command=size&command=3&tty=1&stdin=1&stdout=1';
    const { streams, client } = await open(query, ['error', 'stdin', 'stdout', 'resize']);
    streams.resize.write('{"Width":80,"Hei');
    streams.resize.write('ght":24}\n');
    await eventually(() => streams.stdout.text === '80x24\n', 'the first size');
    streams.resize.write('{"Width":0,"Height":1}{"Width":100,"Height":30}');
    streams.resize.write('\n{"Width":120,"Height":40}\n');
    await streams.stdout.ended;
    assert.equal(streams.stdout.text, '80x24\n100x30\n120x40\n');
    client.transport.end();
  });

  test('first versions tell failures as text, success as nothing, and know no resizing', async () => {
    const failing = 'command=exit&command=3&stdout=1';
    for (const protocols of [['v3.channel.k8s.io'], ['v2.channel.k8s.io'], ['channel.k8s.io'], []]) {
      const { streams, client } = await open(failing, ['error', 'stdout'], { protocols });
      await streams.error.ended;
      assert.equal(streams.error.text, 'command terminated with non-zero exit code: exit status 3');
      client.transport.end();
    }
    const tty = 'command=echo&command=x&stdout=1&tty=1';
    const { streams, client } = await open(tty, ['error', 'stdout'], { protocols: ['v2.channel.k8s.io'] });
    await streams.error.ended;
    assert.deepEqual([streams.error.text, streams.stdout.text], ['', 'x\n']);
    client.transport.end();
  });

  test('the best protocol of those that the client offers is taken, and none is refused in words', async () => {
    const protocols = ['v1.unknown', 'v2.channel.k8s.io', 'v4.channel.k8s.io'];
    const { headers, client } = await upgrade('one/exec?command=cat&stdin=1&stdout=1', { protocols });
    assert.equal(headers['x-stream-protocol-version'], 'v4.channel.k8s.io');
    client?.transport.destroy();
    const refused = await upgrade('one/exec?command=cat&stdin=1&stdout=1', { protocols: ['v9'] });
    assert.equal(refused.code, 403);
    assert.match(JSON.parse(refused.text).message, /client supports \[v9\], server accepts \[v5/);
    assert.match(String(refused.headers['x-accepted-stream-protocol-versions']), /v4\.channel\.k8s\.io/);
  });

  test('what cannot be is refused before the upgrade, whatever the client speaks', async () => {
    for (const [path, message] of [
      ['one/exec?stdout=1', /at least one command/],
      ['one/attach?container=x&stdout=1', /container x is not valid for pod one/],
      ['missing/exec?command=a&stdout=1', /"missing" not found/],
    ] as const)
      assert.match(JSON.parse((await upgrade(path)).text).message, message);
    const dev = await upgrade('one/exec?command=a&stdout=1', { token: 'dev-token', method: 'GET' });
    assert.match(JSON.parse(dev.text).message, /cannot create resource "pods\/exec"/);
  });

  test('a client that leaves ends the process; one that opens a wrong stream has it refused', async () => {
    const { client } = await open('command=cat&stdin=1&stdout=1', ['error', 'stdin', 'stdout']);
    assert.equal((await client.open({ streamtype: 'stdout' })).reset, 3);
    assert.equal((await client.open({ streamtype: 'video' })).reset, 3);
    const process = api.podStreams.sessions.at(-1);
    client.transport.destroy();
    await eventually(() => process?.aborted === true, 'the process ended');
  });

  test('attach carries what runs already, over both protocols', async () => {
    const { client } = await upgrade('one/attach?stdin=1&stdout=1');
    assert.ok(client);
    const error = await client.open({ streamtype: 'error' });
    const stdin = await client.open({ streamtype: 'stdin' });
    const stdout = await client.open({ streamtype: 'stdout' });
    stdin.end('hello');
    await Promise.all([stdout.ended, error.ended]);
    assert.deepEqual([stdout.text, JSON.parse(error.text).status], ['hello', 'Success']);
    assert.equal(api.podStreams.execRequests.at(-1)?.type, 'attach');
    client.transport.end();
  });

  test('browsers get texts in base64, and older protocols plain failures', async () => {
    const url = `wss://127.0.0.1:${api.server.port}${pods}/one/exec?command=exit&command=5&stdout=1&stderr=1`;
    const socket = new WebSocket(url, 'base64.channel.k8s.io', {
      ca: api.authority.ca,
      headers: { Authorization: 'Bearer admin-token' },
    });
    const messages: string[] = [];
    socket.on('message', (data: Buffer, isBinary) => {
      assert.equal(isBinary, false);
      messages.push(data.toString());
    });
    await new Promise((resolve) => socket.on('close', resolve));
    const decoded = messages.map((text) => [text[0], Buffer.from(text.slice(1), 'base64').toString()]);
    assert.deepEqual(decoded, [
      ['1', ''],
      ['2', 'leaving\n'],
      ['3', 'command terminated with non-zero exit code: exit status 5'],
    ]);
  });
});
