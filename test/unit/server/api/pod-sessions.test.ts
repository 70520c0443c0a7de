import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { StatusError } from '../../../../protocol/status.ts';
import { apiLimits } from '../../../../server/api/api-limits.ts';
import { type ApiFixture, type Json, openApi } from './api-fixture.ts';
import { HeldClock } from './held-clock.ts';
import { samplePod } from './sample-objects.ts';

const pods = '/api/v1/namespaces/default/pods';

describe('sessions into pods', () => {
  let api: ApiFixture;
  before(async () => {
    api = await openApi();
    const two = [
      { name: 'a', image: 'x' },
      { name: 'b', image: 'x' },
    ];
    await api.create(pods, samplePod('one', { nodeName: 'n1' }));
    await api.create(pods, samplePod('two', { nodeName: 'n1', containers: two }));
    const chosen = samplePod('chosen', { nodeName: 'n1', containers: two });
    const annotations = { 'kubectl.kubernetes.io/default-container': 'b' };
    await api.create(pods, { ...chosen, metadata: { ...chosen.metadata, annotations } });
    await api.create(pods, samplePod('waiting'));
  });
  beforeEach(() => {
    api.podStreams.refusal = undefined;
    api.podStreams.log = async function* () {
      yield Buffer.from('one\n');
      yield Buffer.from('two\n');
    };
  });
  after(() => api[Symbol.asyncDispose]());

  test('logs come as plain text, and every option reaches the device', async () => {
    const query =
      'follow=true&previous=true&tailLines=5&limitBytes=100&sinceSeconds=60&timestamps=true&stream=All';
    const answer = await api.send('GET', `${pods}/one/log?${query}`);
    assert.deepEqual(
      [answer.code, answer.headers['content-type'], answer.text],
      [200, 'text/plain', 'one\ntwo\n'],
    );
    const { podUid, ...request } = api.podStreams.logRequests.at(-1) ?? {};
    assert.deepEqual(request, {
      type: 'logs',
      container: 'main',
      follow: true,
      previous: true,
      tailLines: 5,
      limitBytes: 100,
      sinceSeconds: 60,
      timestamps: true,
    });
    assert.ok(podUid);
  });

  test('the container is the named, the annotated or the only one; otherwise the choice is shown', async () => {
    const containerOf = async (path: string) => {
      const answer = await api.send('GET', `${pods}/${path}`);
      return answer.code === 200 ? api.podStreams.logRequests.at(-1)?.container : answer.json().message;
    };
    assert.equal(await containerOf('two/log?container=b'), 'b');
    assert.equal(await containerOf('chosen/log'), 'b');
    assert.equal(await containerOf('one/log'), 'main');
    assert.equal(
      await containerOf('two/log'),
      'a container name must be specified for pod two, choose one of: [a b]',
    );
    assert.equal(await containerOf('two/log?container=c'), 'container c is not valid for pod two');
  });

  test('refused options and a refusing device are a Status', async () => {
    const refusals: [string, number, string][] = [
      ['sinceSeconds=x', 400, 'sinceSeconds: Invalid value: "x": must be a whole number'],
      ['sinceTime=never', 400, 'sinceTime: Invalid value: "never"'],
      ['tailLines=-1', 422, 'tailLines: Invalid value: -1: must be greater than or equal to 0'],
      ['limitBytes=0', 422, 'limitBytes: Invalid value: 0: must be greater than 0'],
      [
        'sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z',
        422,
        '[]: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified',
      ],
      ['stream=x', 422, 'stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout"'],
      [
        'stream=Stderr&tailLines=1',
        422,
        '[]: Forbidden: `tailLines` and specific `stream` are mutually exclusive for now',
      ],
    ];
    for (const [query, code, message] of refusals) {
      const answer = await api.send('GET', `${pods}/one/log?${query}`);
      const subject = code === 422 ? 'PodLogOptions "one" is invalid: ' : '';
      assert.deepEqual([answer.code, answer.json().message], [code, `${subject}${message}`]);
    }
    api.podStreams.refusal = new StatusError('NotFound', 'pod "x" is not on this node');
    assert.equal(
      (await api.send('GET', `${pods}/one/log`)).json().message,
      'container "main" in pod "one" is waiting to start: ContainerCreating',
    );
    api.podStreams.refusal = new StatusError('ServiceUnavailable', 'node n1 is not connected');
    const answer = await api.send('GET', `${pods}/one/log`);
    assert.deepEqual([answer.code, answer.json().message], [503, 'node n1 is not connected']);
    assert.equal((await api.send('GET', `${pods}/missing/log`)).code, 404);
    assert.deepEqual((await api.send('GET', `${pods}/waiting/log`)).text, '');
  });

  test('a followed log opens before it says anything and ends on the device when the client goes', async () => {
    const gone = Promise.withResolvers<void>();
    api.podStreams.log = async function* (_request, signal) {
      yield Buffer.from('first\n');
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      gone.resolve();
    };
    const abort = new AbortController();
    const { request } = await import('node:https');
    const call = request({
      host: '127.0.0.1',
      port: api.server.port,
      path: `${pods}/one/log?follow=1`,
      ca: api.authority.ca,
      headers: { Authorization: 'Bearer admin-token' },
      signal: abort.signal,
    });
    call.on('error', () => {});
    const first = new Promise((resolve) =>
      call.on('response', (response) => {
        response.on('error', () => {});
        response.once('data', (chunk: Buffer) => resolve(chunk.toString()));
      }),
    );
    call.end();
    assert.equal(await first, 'first\n');
    abort.abort();
    await gone.promise;
  });

  function open(query: string, { protocols = ['v5.channel.k8s.io'], pod = 'one' } = {}): Session {
    return new Session(
      new WebSocket(`wss://127.0.0.1:${api.server.port}${pods}/${pod}/exec?${query}`, protocols, {
        ca: api.authority.ca,
        headers: { Authorization: 'Bearer admin-token' },
      }),
    );
  }

  test('output comes on its channel, then the exit as a Status', async () => {
    const session = open('command=echo&command=hello%20there&stdout=1&stderr=1');
    await session.closed;
    assert.equal(session.text(1), 'hello there\n');
    assert.deepEqual(session.status(), { metadata: {}, status: 'Success' });
    assert.equal(session.socket.protocol, 'v5.channel.k8s.io');
  });

  test("an exit code is told in the form that becomes kubectl's own", async () => {
    const session = open('command=exit&command=42&stdout=1&stderr=1');
    await session.closed;
    assert.equal(session.text(2), 'leaving\n');
    assert.deepEqual(session.status(), {
      metadata: {},
      status: 'Failure',
      message: 'command terminated with non-zero exit code: exit status 42',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: '42' }] },
    });
  });

  test('what was not asked for is not sent', async () => {
    const session = open('command=exit&command=0&stdout=1');
    await session.closed;
    assert.equal(session.text(2), '');
  });

  test('stdin flows in order and ends by the close message of v5', async () => {
    const session = open('command=cat&stdin=1&stdout=1');
    await session.opened;
    for (const word of ['a', 'b', 'c']) session.send(0, word);
    session.send(255, Uint8Array.of(0));
    await session.closed;
    assert.equal(session.text(1), 'abc');
    assert.equal(session.status().status, 'Success');
  });

  test('a resize reaches the process, nonsense does not', async () => {
    const session = open('command=size&command=1&tty=1&stdin=1&stdout=1', {
      protocols: ['v4.channel.k8s.io'],
    });
    await session.opened;
    for (const nonsense of ['{', '{"Width":-1,"Height":3}', '{"Width":1e9,"Height":3}', 'null'])
      session.send(4, nonsense);
    session.send(4, '{"Width":120,"Height":40}');
    await session.closed;
    assert.equal(session.text(1), '120x40\n');
  });

  test('a client that does not read holds the process back', async () => {
    const session = open(`command=flood&command=${256 * 1024 * 1024}&stdout=1`);
    await session.opened;
    session.socket.pause();
    const process = api.podStreams.sessions.at(-1);
    assert.ok(process);
    let produced = -1;
    for (let same = 0; same < 200; same = process.produced === produced ? same + 1 : 0) {
      ({ produced } = process);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(produced < 32 * 1024 * 1024, `${produced} bytes`);
    session.socket.terminate();
    await new Promise<void>((resolve) => {
      const look = () => (process.aborted ? resolve() : setImmediate(look));
      look();
    });
  });

  test('a process that does not read holds the client back', async () => {
    const session = open('command=cat&stdin=1&stdout=1');
    await session.opened;
    const process = api.podStreams.sessions.at(-1);
    assert.ok(process);
    const gate = Promise.withResolvers<void>();
    process.gate = gate.promise;
    const megabytes = 32;
    for (let sent = 0; sent < megabytes * 4; sent++) session.send(0, Buffer.alloc(256 * 1024));
    let buffered = -1;
    for (let same = 0; same < 200; same = session.socket.bufferedAmount === buffered ? same + 1 : 0) {
      buffered = session.socket.bufferedAmount;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(buffered > 16 * 1024 * 1024, `${buffered} bytes still wait at the client`);
    gate.resolve();
    session.socket.terminate();
  });

  test('a session that cannot be is refused before the upgrade, by a Status', async () => {
    const refusals: [string, string, RegExp][] = [
      ['missing', 'command=a&stdout=1', /"missing" not found/],
      ['waiting', 'command=a&stdout=1', /does not have a host assigned/],
      ['two', 'command=a&stdout=1', /choose one of: \[a b\]/],
      ['one', 'stdout=1', /at least one command/],
      ['one', 'command=a', /at least one of stdin, stdout, stderr/],
    ];
    for (const [pod, query, message] of refusals) {
      assert.match((await open(query, { pod }).refused).message, message);
      assert.match((await api.send('POST', `${pods}/${pod}/exec?${query}`)).json().message, message);
    }
    assert.match(
      (await open('command=a&stdout=1', { protocols: ['v9.channel.k8s.io'] }).refused).message,
      /subprotocols/,
    );
    assert.match(
      (await api.send('GET', `${pods}/one/exec?command=a&stdout=1`)).json().message,
      /Upgrade request required/,
    );
  });

  test('an upgrade of another path is an ordinary request', async () => {
    const socket = new WebSocket(`wss://127.0.0.1:${api.server.port}/version`, [], {
      ca: api.authority.ca,
      headers: { Authorization: 'Bearer admin-token' },
    });
    const code = await new Promise((resolve) =>
      socket.on('unexpected-response', (_request, response) => resolve(response.statusCode)),
    );
    socket.on('error', () => {});
    socket.terminate();
    assert.equal(code, 200);
  });
});

test('stopping closes sessions and followed logs at once', async () => {
  const api = await openApi({ clock: new HeldClock(apiLimits.closeGraceMs) });
  await api.create(pods, samplePod('one', { nodeName: 'n1' }));
  const session = new Session(
    new WebSocket(
      `wss://127.0.0.1:${api.server.port}${pods}/one/exec?command=cat&stdin=1&stdout=1`,
      'v5.channel.k8s.io',
      {
        ca: api.authority.ca,
        headers: { Authorization: 'Bearer admin-token' },
      },
    ),
  );
  await session.opened;
  await api[Symbol.asyncDispose]();
  assert.equal(await session.closed, 1001);
  assert.ok(api.podStreams.sessions[0]?.aborted);
});

/** The client's end of an exec session. */
class Session {
  readonly socket: WebSocket;
  /** Resolves at the first message, which the server sends when the session stands. */
  readonly opened: Promise<void>;
  /** The close code. */
  readonly closed: Promise<number>;
  readonly refused: Promise<Json>;
  readonly #received = new Map<number, Buffer[]>();

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.opened = new Promise((resolve) => socket.once('message', () => resolve()));
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('message', (message: Buffer) => {
      const channel = message[0] ?? -1;
      this.#received.set(channel, [...(this.#received.get(channel) ?? []), message.subarray(1)]);
    });
    socket.on('error', () => {});
    this.refused = new Promise((resolve) =>
      socket.on('unexpected-response', (_request, response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      }),
    );
  }

  send(channel: number, data: string | Uint8Array): void {
    this.socket.send(Buffer.concat([Uint8Array.of(channel), Buffer.from(data as string)]));
  }

  text(channel: number): string {
    return Buffer.concat(this.#received.get(channel) ?? []).toString();
  }

  status(): Json {
    return JSON.parse(this.text(3));
  }
}
