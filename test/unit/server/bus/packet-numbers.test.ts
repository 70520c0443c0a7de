import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { writeToStream } from 'mqtt-packet';
import { settlePacketNumbers } from '../../../../server/bus/packet-numbers.ts';

test('the lengths of all packets that were ever sent keep few pieces of memory alive, not one each', () => {
  settlePacketNumbers();
  const pieces = new Set<ArrayBufferLike>();
  for (let bytes = 8_000; bytes < 16_000; bytes += 200) {
    const written: Uint8Array[] = [];
    const sink = new Writable();
    sink.write = (chunk: unknown) => chunk instanceof Uint8Array && written.push(chunk) > 0;
    const payload = new Uint8Array(bytes);
    writeToStream(
      { cmd: 'publish', topic: 't', qos: 0, dup: false, retain: false, payload: Buffer.from(payload.buffer) },
      sink,
    );
    const length = written[1];
    assert.equal(length?.length, 2, 'the second part of a packet is its length');
    pieces.add(length.buffer);
    // Uses up the piece that small Buffers are cut from.
    for (let used = 0; used < Buffer.poolSize; used += 4_000) Buffer.allocUnsafe(4_000);
  }
  // Some lengths may have been sent before, by other tests in this process.
  assert.ok(pieces.size <= 10, `${pieces.size} pieces are kept`);
});
