import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../protocol/limits.ts';
import type { ExecRequest } from '../../../../protocol/topics/streams.ts';
import { settle } from '../../../support/manual-clock.ts';
import { StreamWorld } from '../../../support/stream-world.ts';

const never = new AbortController().signal;
const exec: ExecRequest = {
  type: 'exec',
  podUid: 'pod-1',
  container: 'main',
  command: ['sh'],
  stdin: true,
  tty: false,
};

async function collect(output: AsyncIterable<{ channel: string; data: Uint8Array } | Uint8Array>) {
  const text = { stdout: '', stderr: '' };
  for await (const chunk of output) {
    const { channel, data } = chunk instanceof Uint8Array ? { channel: 'stdout', data: chunk } : chunk;
    text[channel as 'stdout'] += Buffer.from(data).toString();
  }
  return text;
}

async function openExec(world: StreamWorld, signal = never) {
  const session = await world.streams.command('n1', exec, signal);
  const process = world.driver.processes.at(-1);
  assert.ok(process);
  return { session, process };
}

test('a command has its input, its outputs, its size and its exit code across the bus', async () => {
  await using world = new StreamWorld();
  const { session, process } = await openExec(world);
  session.resize(80, 24);
  await session.write(Buffer.from('in'));
  session.endStdin();
  process.say('out');
  process.say('err', 'stderr');
  await settle();
  assert.deepEqual([process.sizes, Buffer.concat(process.taken).toString()], [['80x24'], 'in']);
  assert.ok(process.inputEnded);
  process.end(7);
  assert.deepEqual(await collect(session.output()), { stdout: 'out', stderr: 'err' });
  assert.equal(await session.exit, 7);
});

test('a reader that stops holds the process within a window, and going on loses nothing', async () => {
  await using world = new StreamWorld();
  const { session, process } = await openExec(world);
  const piece = Buffer.alloc(10_000, 'x');
  const pieces = Math.ceil((limits.streamWindowBytes * 3) / piece.length);
  for (let said = 0; said < pieces; said++) process.say(piece);
  for (let round = 0; round < 50; round++) await settle();
  assert.ok(
    process.read <= limits.streamWindowBytes + limits.streamFrameBytesMax + piece.length,
    `${process.read} bytes were read`,
  );
  process.end(0);
  assert.equal((await collect(session.output())).stdout.length, pieces * piece.length);
});

test('a process that does not read holds the writer within a window', async () => {
  await using world = new StreamWorld();
  const { session, process } = await openExec(world);
  const gate = Promise.withResolvers<void>();
  process.gate = gate.promise;
  let written = false;
  const writing = session.write(Buffer.alloc(limits.streamWindowBytes * 2)).then(() => (written = true));
  for (let round = 0; round < 50; round++) await settle();
  assert.equal(written, false);
  gate.resolve();
  await writing;
});

test('what the device cannot do comes back in its words', async () => {
  await using world = new StreamWorld();
  const request = { ...exec, podUid: 'other' };
  await assert.rejects(world.streams.command('n1', request, never), {
    message: 'pod "other" is not on this node',
  });
  await assert.rejects(world.streams.command('n2', exec, never), { message: /node n2 is not connected/ });
});

test('a client that leaves ends the process', async () => {
  await using world = new StreamWorld();
  const client = new AbortController();
  const { process } = await openExec(world, client.signal);
  client.abort();
  await settle();
  assert.ok(process.killed);
});

test('a stream connection that breaks ends its streams on both sides, and says why', async () => {
  await using world = new StreamWorld();
  const { session, process } = await openExec(world);
  world.link.dropStreams('reset by the modem');
  await assert.rejects(session.exit, { message: /connection for streams broke \(reset by the modem\)/ });
  assert.ok(process.killed);
  const next = await openExec(world);
  next.process.end(0);
  assert.equal(await next.session.exit, 0, 'the next stream makes a new connection');
});

test('a node that disconnects ends its streams', async () => {
  await using world = new StreamWorld();
  const { session } = await openExec(world);
  world.link.setOnline(false);
  await assert.rejects(session.exit, { message: 'node n1 disconnected' });
});

test('a link that swallows everything is noticed by both sides; a quiet stream on a good link lives on', async () => {
  await using world = new StreamWorld();
  const { session, process } = await openExec(world);
  await world.clock.advance(10 * limits.streamSilenceMs);
  assert.equal(process.killed, false);
  world.arrives = () => false;
  await world.clock.advance(limits.streamSilenceMs + limits.streamBeatMs);
  assert.ok(process.killed);
  await assert.rejects(session.exit, { message: 'node n1 fell silent' });
});

test('a node carries so many streams and no more, and has room again when one ends', async () => {
  await using world = new StreamWorld();
  for (let opened = 0; opened < limits.streamsPerNodeMax; opened++) await openExec(world);
  await assert.rejects(openExec(world), { code: 429, message: /node n1 already carries 64 streams/ });
  world.driver.processes[0]?.end(0);
  await settle();
  await openExec(world);
});

test('a device that tells about itself is read path by path', async () => {
  await using world = new StreamWorld();
  world.endpoints.register('/stats/summary', ({ query }) => ({
    contentType: 'application/json',
    body: JSON.stringify({ only: query.get('only_cpu_and_memory') }),
  }));
  world.endpoints.register('/logs/', ({ path }) => ({ body: Buffer.from(path) }));
  world.endpoints.register('/broken', () => Promise.reject(new Error('no sensor')));
  assert.throws(() => world.endpoints.register('/broken', () => ({ body: '' })), /registered twice/);
  const ask = async (path: string, query = '') => {
    const { body, ...answer } = await world.streams.endpoint('n1', { type: 'endpoint', path, query }, never);
    return { ...answer, text: (await collect(body)).stdout };
  };
  assert.deepEqual(await ask('/stats/summary', 'only_cpu_and_memory=true'), {
    status: 200,
    contentType: 'application/json',
    text: '{"only":"true"}',
  });
  assert.equal((await ask('/logs/a/b')).text, '/logs/a/b');
  assert.deepEqual(await ask('/broken').then(({ status, text }) => [status, text]), [500, 'no sensor\n']);
  assert.equal((await ask('/nothing')).status, 404);
});
