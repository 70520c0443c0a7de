import assert from 'node:assert/strict';
import { type Duplex, duplexPair } from 'node:stream';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import * as fc from 'fast-check';
import { spdyDictionary } from '../../../../../server/api/spdy/dictionary.ts';
import { FrameParser } from '../../../../../server/api/spdy/frame-parser.ts';
import { SpdyError } from '../../../../../server/api/spdy/spdy-error.ts';
import { spdyLimits } from '../../../../../server/api/spdy/spdy-limits.ts';
import { SpdySession } from '../../../../../server/api/spdy/spdy-session.ts';
import type { SpdyStream } from '../../../../../server/api/spdy/spdy-stream.ts';
import { settle } from '../../../../support/manual-clock.ts';
import { number, SpdyClient } from '../../../../support/spdy-client.ts';

interface Serving {
  session: SpdySession;
  client: SpdyClient;
  ended: Promise<SpdyError | undefined>;
  streams: SpdyStream[];
  /** The server's end of the connection. */
  transport: Duplex;
}

function serve(onStream: (stream: SpdyStream) => boolean = () => true): Serving {
  const [near, far] = duplexPair();
  const streams: SpdyStream[] = [];
  const session = new SpdySession({
    transport: near,
    onStream: (stream) => {
      streams.push(stream);
      return onStream(stream);
    },
  });
  return { session, client: new SpdyClient(far), ended: session.run(), streams, transport: near };
}

const echo = (stream: SpdyStream) => {
  stream.pipe(stream);
  return true;
};

async function settled(check: () => boolean): Promise<void> {
  for (let round = 0; round < 500 && !check(); round++) await settle();
  assert.ok(check());
}

test('streams echo side by side, each with its headers and its own end', async () => {
  const { client, streams } = serve(echo);
  const one = await client.open({ streamtype: 'stdin', port: '80' });
  const two = await client.open({ streamtype: 'stdin', port: '81' });
  assert.deepEqual(
    streams.map(({ headers }) => headers.get('port')),
    ['80', '81'],
  );
  one.write('a');
  two.write('b');
  one.end('c');
  await one.ended;
  assert.equal(one.text, 'ac');
  two.end();
  await two.ended;
  assert.equal(two.text, 'b');
  client.transport.end();
});

test('a stream that is over on both sides is forgotten', async () => {
  const { client, session } = serve(echo);
  for (let round = 0; round < 3; round++) {
    const stream = await client.open({ streamtype: 'data' }, { fin: true });
    await stream.ended;
  }
  await settled(() => session.streamCount === 0);
});

test("replies are whole for a reader that takes no more than there is, as Go's", async () => {
  const { client } = serve();
  for (let count = 0; count < 3; count++) await client.open({ n: String(count) });
  assert.equal(client.replies.length, 3);
  for (const block of client.replies) assert.equal(block.subarray(-4).toString('hex'), '0000ffff');
});

test('a refused stream is reset, and the connection goes on', async () => {
  const { client } = serve((stream) => stream.headers.get('streamtype') === 'good' && echo(stream));
  assert.equal((await client.open({ streamtype: 'bad' })).reset, 3);
  const good = await client.open({ streamtype: 'good' });
  good.end('x');
  await good.ended;
  assert.equal(good.text, 'x');
});

test('destroying a stream resets it, and what the client sends on it is dropped', async () => {
  const { client, streams, session } = serve();
  const stream = await client.open({ streamtype: 'data' });
  streams[0]?.destroy();
  await stream.ended;
  assert.equal(stream.reset, 5);
  stream.write('late');
  client.ping(1);
  await settled(() => client.pongs.length === 1);
  assert.equal(session.streamCount, 0);
});

test('a stream that the client resets breaks', async () => {
  const { client, streams } = serve();
  const stream = await client.open({ streamtype: 'data' });
  const broken = new Promise((resolve) => streams[0]?.once('error', resolve));
  stream.abort();
  assert.match(String(await broken), /gave the stream up/);
});

test('pings of the client are answered, also while streams are open', async () => {
  const { client } = serve();
  await client.open({ streamtype: 'data' });
  for (const id of [1, 3, 5]) client.ping(id);
  await settled(() => client.pongs.length === 3);
  assert.deepEqual(client.pongs, [1, 3, 5]);
});

test('a reader that does not read holds the client back within the limit, and then loses nothing', async () => {
  const { client, streams } = serve();
  const stream = await client.open({ streamtype: 'data' });
  const piece = Buffer.alloc(64 * 1024, 'x');
  const pieces = 64;
  for (let sent = 0; sent < pieces; sent++) stream.write(piece);
  stream.end();
  for (let round = 0; round < 200; round++) await settle();
  const waiting = client.transport.writableLength;
  assert.ok(waiting > piece.length * pieces - 2 * spdyLimits.unreadBytesMax, `${waiting} wait at the client`);
  let received = 0;
  for await (const chunk of streams[0] as AsyncIterable<Buffer>) received += chunk.length;
  assert.equal(received, piece.length * pieces);
});

test('a client that does not read holds the writer back', async () => {
  const { client, streams } = serve();
  await client.open({ streamtype: 'data' });
  client.transport.pause();
  let written = 0;
  const piece = Buffer.alloc(64 * 1024);
  const writeOn = () => {
    if (written > 64) return;
    written += 1;
    streams[0]?.write(piece, (error) => (error ? undefined : writeOn()));
  };
  writeOn();
  for (let round = 0; round < 100; round++) await settle();
  assert.ok(written < 10, `${written} pieces went`);
});

test('a client that asks and does not read the answers is not read on', async () => {
  const { client } = serve();
  client.transport.pause();
  for (let asked = 0; asked < 100_000; asked++) client.ping(1 + 2 * asked);
  for (let round = 0; round < 100; round++) await settle();
  assert.ok(
    client.transport.writableLength > 500_000,
    `${client.transport.writableLength} wait at the client`,
  );
  client.transport.destroy();
});

test('the end of the connection breaks its streams, also while the server waits for room', async () => {
  const { client, streams, ended, transport } = serve();
  const stream = await client.open({ streamtype: 'data' });
  for (let sent = 0; sent < 64; sent++) stream.write(Buffer.alloc(64 * 1024));
  for (let round = 0; round < 50; round++) await settle();
  transport.destroy();
  assert.equal(await ended, undefined);
  assert.ok(streams[0]?.destroyed);
});

test('the server asks for a sign of life too, so that a connection that is gone is seen to be', async () => {
  const { client, session } = serve();
  session.ping();
  session.ping();
  await settled(() => client.pongs.length === 2);
  for (const id of client.pongs) {
    assert.equal(id % 2, 0);
    client.ping(id);
  }
  client.ping(1);
  await settled(() => client.pongs.length === 3);
  assert.equal(client.pongs.at(-1), 1, 'its answers are not answered again');
});

test('goodbye is said, and the client ends the connection', async () => {
  const { client, session, ended } = serve();
  session.close();
  await settled(() => client.goneAway === 0);
  client.transport.end();
  assert.equal(await ended, undefined);
});

test('what is no SPDY/3.1 ends the connection with a GOAWAY, whatever it is', async () => {
  const wrong: Record<string, (client: SpdyClient) => void | Promise<void>> = {
    version: (client) => void client.transport.write(Buffer.concat([number(0x80020001), number(0)])),
    'stream 0': (client) => void client.data(0, 'x'),
    'an even stream': async (client) => {
      client.control(1, 0, Buffer.concat([number(2), Buffer.alloc(6), await client.compress({})]));
    },
    'a stream id twice': async (client) => {
      for (let twice = 0; twice < 2; twice++)
        client.control(1, 0, Buffer.concat([number(7), Buffer.alloc(6), await client.compress({})]));
    },
    'a huge control frame': (client) =>
      client.control(4, 0, Buffer.alloc(spdyLimits.controlFrameBytesMax + 1)),
    'no zlib': (client) =>
      client.control(1, 0, Buffer.concat([number(1), Buffer.alloc(6), Buffer.from('hello')])),
    'headers that explode': (client) => {
      const bomb = deflateSync(Buffer.alloc(10_000_000), { dictionary: spdyDictionary() });
      client.control(1, 0, Buffer.concat([number(1), Buffer.alloc(6), bomb.subarray(0, 16_000)]));
    },
    'too many headers': async (client) => {
      const many = Object.fromEntries(
        Array.from({ length: spdyLimits.headersMax + 1 }, (_, n) => [`h${n}`, '']),
      );
      client.control(1, 0, Buffer.concat([number(1), Buffer.alloc(6), await client.compress(many)]));
    },
    'a short ping': (client) => client.control(6, 0, Buffer.alloc(3)),
    'wrong settings': (client) => client.control(4, 0, number(1_000_000)),
  };
  for (const [what, send] of Object.entries(wrong)) {
    const { client, ended } = serve();
    await send(client);
    assert.ok((await ended) instanceof SpdyError, what);
    await settled(() => client.goneAway === 1);
    client.transport.destroy();
  }
});

test('what says nothing to us is read over: settings, window updates, unknown kinds', async () => {
  const { client } = serve(echo);
  client.control(4, 0, Buffer.concat([number(1), number(4), number(100)]));
  client.control(9, 0, Buffer.concat([number(1), number(65_536)]));
  client.control(99, 0, Buffer.from('whatever'));
  client.control(8, 0, Buffer.concat([number(9), await client.compress({ more: 'headers' })]));
  const stream = await client.open({ streamtype: 'data' });
  stream.end('still here');
  await stream.ended;
  assert.equal(stream.text, 'still here');
});

test('so many streams and no more', async () => {
  const { client } = serve();
  const opened = [];
  for (let count = 0; count <= spdyLimits.streamsMax; count++)
    opened.push(await client.open({ n: String(count) }));
  assert.deepEqual(
    opened.filter(({ reset }) => reset === 3).map(({ id }) => id),
    [1 + 2 * spdyLimits.streamsMax],
  );
});

test('frames are the same however the bytes are cut', () => {
  const frame = fc.oneof(
    fc.record({
      id: fc.integer({ min: 1, max: 0x7fffffff }),
      data: fc.uint8Array({ maxLength: 300 }),
      fin: fc.boolean(),
    }),
    fc.record({
      kind: fc.integer({ min: 0, max: 0xffff }),
      flags: fc.integer({ min: 0, max: 255 }),
      payload: fc.uint8Array({ maxLength: 300 }),
    }),
  );
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (frames, cuts) => {
        const bytes = Buffer.concat(
          frames.map((each) =>
            'id' in each
              ? Buffer.concat([
                  number(each.id),
                  number((each.fin ? 0x1000000 : 0) + each.data.length),
                  each.data,
                ])
              : Buffer.concat([
                  number(0x80030000 + each.kind),
                  number(each.flags * 0x1000000 + each.payload.length),
                  each.payload,
                ]),
          ),
        );
        assert.deepEqual(merged(bytes, cuts), merged(bytes, [bytes.length || 1]));
        assert.equal(merged(bytes, cuts).length, frames.length);
      },
    ),
  );
});

/** What a parser makes of the bytes in pieces, with the pieces of each data frame put together again. */
function merged(bytes: Buffer, cuts: readonly number[]): object[] {
  const parser = new FrameParser();
  const result: object[] = [];
  let open: { streamId: number; data: string; left: number } | undefined;
  let consumed = 0;
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = cuts[turn % cuts.length] ?? 1;
    for (const frame of parser.push(bytes.subarray(at, at + size))) {
      if (frame.type === 'control') {
        result.push({ kind: frame.kind, flags: frame.flags, payload: frame.payload.toString('hex') });
        consumed += 8 + frame.payload.length;
        continue;
      }
      open ??= { streamId: frame.streamId, data: '', left: bytes.readUIntBE(consumed + 5, 3) };
      open.data += frame.data.toString('hex');
      open.left -= frame.data.length;
      if (open.left > 0) continue;
      result.push({ streamId: open.streamId, data: open.data, fin: frame.fin });
      consumed += 8 + open.data.length / 2;
      open = undefined;
    }
    at += size;
  }
  return result;
}

test('whatever bytes arrive, the connection is served or ends in a SpdyError, and holds a bounded amount', async () => {
  const header = fc.tuple(
    fc.constantFrom(
      0x80030001,
      0x80030002,
      0x80030003,
      0x80030004,
      0x80030006,
      0x80030008,
      0x80020001,
      1,
      3,
      0,
    ),
    fc.integer({ min: 0, max: 0xffffffff }),
  );
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc
      .tuple(header, fc.uint8Array({ maxLength: 60 }))
      .map(([[first, second], body]) =>
        Buffer.concat([number(first), number(((second & 0x1000000) >>> 0) + body.length), body]),
      ),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(junk, { maxLength: 12 }), async (pieces) => {
      const { client, ended, session } = serve(echo);
      for (const piece of pieces) client.transport.write(piece);
      client.transport.end();
      const end = await ended;
      assert.ok(end === undefined || end instanceof SpdyError);
      assert.equal(session.streamCount, 0);
      client.transport.destroy();
    }),
    { numRuns: 300 },
  );
});
