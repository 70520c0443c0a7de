import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import type { Registry } from '../../../../server/registry/registry.ts';
import { type ApiFixture, openApi } from './api-fixture.ts';
import { HeldClock } from './held-clock.ts';

const path = '/api/v1/namespaces/default/configmaps';
const watch = `${path}?watch=1&timeoutSeconds=300`;

test('a watch is exact chunks, and its connection serves on afterwards', async () => {
  const clock = new HeldClock(300_000);
  await using api = await openApi({ clock });
  await using raw = await Raw.open(api);
  raw.ask(`GET ${watch} HTTP/1.1`);
  await raw.reads('\r\n\r\n');
  for (const text of ['plain', 'größer €', '😀'.repeat(3_000), 'x'.repeat(70_000)])
    await api.create(path, { metadata: { name: `c${text.length}` }, data: { text } });
  await raw.reads('c70000');
  clock.fire();
  await raw.reads('\r\n0\r\n\r\n');
  const { head, body, rest } = raw.chunkedAnswer();
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, /Transfer-Encoding: chunked/);
  const texts = framesOf(body).map(({ object }) => object.data.text.length);
  assert.deepEqual(texts, [5, 8, 6_000, 70_000]);
  assert.equal(rest, '');

  raw.ask('GET /livez HTTP/1.1');
  await raw.reads('\r\n\r\nok');
});

test('a client of HTTP/1.0 gets the frames without chunks', async () => {
  const clock = new HeldClock(300_000);
  await using api = await openApi({ clock });
  await using raw = await Raw.open(api);
  raw.ask(`GET ${watch} HTTP/1.0`);
  await raw.reads('\r\n\r\n');
  await api.create(path, { metadata: { name: 'one' } });
  await api.create(path, { metadata: { name: 'two' } });
  await raw.reads('"two"');
  clock.fire();
  await raw.closed;
  const [head = '', body = ''] = raw.text.split('\r\n\r\n');
  assert.doesNotMatch(head, /chunked/);
  assert.deepEqual(
    framesOf(body).map(({ object }) => object.metadata.name),
    ['one', 'two'],
  );
});

test('a watch by HEAD has no body', async () => {
  const clock = new HeldClock(300_000);
  await using api = await openApi({ clock });
  await api.create(path, { metadata: { name: 'there' } });
  await using raw = await Raw.open(api);
  raw.ask(`HEAD ${watch} HTTP/1.1`);
  await raw.reads('\r\n\r\n');
  await api.create(path, { metadata: { name: 'one' } });
  clock.fire();
  raw.ask('GET /livez HTTP/1.1');
  await raw.reads('\r\n\r\nok');
  assert.doesNotMatch(raw.text, /ADDED/);
});

test('a second watch on a connection says nothing before the first has ended, and then everything', async () => {
  const clock = new HeldClock(300_000);
  await using api = await openApi({ clock });
  await using raw = await Raw.open(api);
  raw.ask(`GET ${watch} HTTP/1.1`);
  raw.ask(`GET ${path}?watch=1&timeoutSeconds=301 HTTP/1.1`);
  await raw.reads('\r\n\r\n');
  await api.create(path, { metadata: { name: 'first' } });
  await raw.reads('first');
  clock.fire();
  await raw.reads('\r\n0\r\n\r\nHTTP/1.1 200');
  await raw.reads('first', 2);
  await api.create(path, { metadata: { name: 'second' } });
  await raw.reads('second');
  const { rest } = raw.chunkedAnswer();
  const opened = rest.slice(rest.indexOf('\r\n\r\n') + 4);
  assert.deepEqual(
    framesOf(dechunked(opened).body).map(({ object }) => object.metadata.name),
    ['first', 'second'],
  );
});

test('a client that pauses misses nothing and gets nothing twice', async () => {
  const frames = 300;
  let sent = 0;
  const filler = 'x'.repeat(64 * 1024);
  async function* flood() {
    for (; sent < frames; sent += 1)
      yield { type: 'MODIFIED', object: { metadata: { name: `n${sent}` }, data: { filler } } };
  }
  const flooding = (registry: Registry): Registry => ({
    ...registry,
    watch: flood as unknown as Registry['watch'],
  });
  await using api = await openApi({}, flooding);
  await using raw = await Raw.open(api);
  raw.socket.pause();
  raw.ask(`GET ${watch}&resourceVersion=1 HTTP/1.1`, 'Connection: close');
  let held = 0;
  for (let same = 0; same < 100; same = held > 0 && held === sent ? same + 1 : 0) {
    held = sent;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < frames, 'who does not read is not written to');
  raw.socket.resume();
  await raw.closed;
  const names = framesOf(raw.chunkedAnswer().body).map(({ object }) => object.metadata.name);
  assert.deepEqual(
    names,
    Array.from({ length: frames }, (_, index) => `n${index}`),
  );
});

/** One connection, byte by byte as it came. */
class Raw implements AsyncDisposable {
  readonly socket: TLSSocket;
  readonly closed: Promise<void>;
  #received: Buffer[] = [];
  #wake = Promise.withResolvers<void>();

  static async open({ server, authority }: ApiFixture): Promise<Raw> {
    const socket = connect({ host: '127.0.0.1', port: server.port, ca: authority.ca });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    return new Raw(socket);
  }

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      this.#received.push(bytes);
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  ask(line: string, ...headers: string[]): void {
    const lines = [line, 'Host: a', 'Authorization: Bearer admin-token', ...headers];
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  }

  get text(): string {
    this.#received = [Buffer.concat(this.#received)];
    return this.#received[0]?.toString() ?? '';
  }

  async reads(text: string, times = 1): Promise<void> {
    while (this.text.split(text).length <= times) await this.#wake.promise;
  }

  chunkedAnswer(): { head: string; body: string; rest: string } {
    const { text } = this;
    const end = text.indexOf('\r\n\r\n');
    return { head: text.slice(0, end), ...dechunked(text.slice(end + 4)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.closed;
  }
}

/** Strictly as RFC 9112, 7.1 has it; `rest` is what follows the last chunk. */
function dechunked(text: string): { body: string; rest: string } {
  const bytes = Buffer.from(text);
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [line = ''] = bytes.toString('latin1', at, at + 12).split('\r\n');
    assert.match(line, /^[0-9a-f]+$/);
    const from = at + line.length + 2;
    const to = from + Number.parseInt(line, 16);
    assert.equal(bytes.toString('latin1', to, to + 2), '\r\n', 'a chunk has the length that it says');
    if (to === from) return { body: Buffer.concat(chunks).toString(), rest: bytes.toString('utf8', to + 2) };
    chunks.push(bytes.subarray(from, to));
    at = to + 2;
  }
  return { body: Buffer.concat(chunks).toString(), rest: '' };
}

function framesOf(
  body: string,
): { type: string; object: { metadata: { name: string }; data: Record<'text', string> } }[] {
  assert.ok(body.endsWith('\n'));
  return body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
