import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import * as fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import * as v from 'valibot';
import { decodeMessage, encodeMessage } from '../../../protocol/codec.ts';
import { Reassembler } from '../../../protocol/codec-chunks.ts';
import { CodecError, type CodecErrorCode } from '../../../protocol/codec-error.ts';
import { limits } from '../../../protocol/limits.ts';
import { defineTopic } from '../../../protocol/topics/define-topic.ts';
import { topics } from '../../../protocol/topics/registry.ts';
import { streamUp } from '../../../protocol/topics/streams.ts';
import { ask, digestTopic, status } from '../../../protocol/topics/sync.ts';

const anything = defineTopic({
  name: 'anything',
  pattern: 'anything',
  way: 'up',
  qos: 0,
  connection: 'control',
  schema: v.looseObject({}),
});

function roundTrip(message: Record<string, unknown>): unknown {
  const payloads = encodeMessage(anything, message);
  const reassembler = new Reassembler();
  const whole = payloads.map((payload) => reassembler.accept('me', 'topic', payload)).at(-1);
  assert(whole);
  return decodeMessage(anything, whole);
}

function refusal(code: CodecErrorCode) {
  return (error: unknown) => error instanceof CodecError && error.code === code;
}

/** Incompressible, so that it needs chunks. */
function noise(bytes: number): string {
  let state = 1;
  return Array.from({ length: bytes }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return String.fromCharCode(32 + ((state >>> 16) % 95));
  }).join('');
}

/** The names that lead to prototypes do not survive a schema check. */
const jsonObject = fc
  .dictionary(fc.string(), fc.jsonValue())
  .filter((object) => !/"(__proto__|prototype|constructor)":/.test(JSON.stringify(object)));

describe('codec', () => {
  it('gives back every JSON object as it was', () => {
    fc.assert(
      fc.property(jsonObject, (message) => {
        const plain: unknown = JSON.parse(JSON.stringify(message));
        assert.deepEqual(JSON.parse(JSON.stringify(roundTrip(message))), plain);
      }),
      { numRuns: 150 },
    );
  });

  it('leaves out undefined members as JSON does, and keeps bytes', () => {
    assert.deepEqual(roundTrip({ a: undefined, b: 1 }), { b: 1 });
    const payload = encodeMessage(streamUp, {
      type: 'data',
      channel: 'stdout',
      data: Uint8Array.of(1, 2),
    })[0];
    assert(payload);
    const frame = decodeMessage(streamUp, payload);
    assert(frame.type === 'data');
    assert.deepEqual([...frame.data], [1, 2]);
  });

  it('accepts JSON wherever it accepts MessagePack', () => {
    assert.deepEqual(decodeMessage(ask, Buffer.from('{"request":"r1"}')), { request: 'r1' });
  });

  it('reads whole numbers up to 2^53 as numbers whatever their width', () => {
    const message = { epoch: 'e', revision: Number.MAX_SAFE_INTEGER, hash: '0123456789abcdef' };
    assert.deepEqual(decodeMessage(digestTopic, new Packr({ useRecords: false }).pack(message)), message);
    assert.deepEqual(roundTrip({ n: 2 ** 40, m: -(2 ** 40) }), { n: 2 ** 40, m: -(2 ** 40) });
    const uint64 = Buffer.from('81a16ecf0000010000000000', 'hex');
    assert.deepEqual(decodeMessage(anything, uint64), { n: 2 ** 40 });
  });

  it('deflates only what gets smaller', () => {
    const repetitive = encodeMessage(anything, { text: 'x'.repeat(5000) })[0];
    assert.equal(repetitive?.[0], 1);
    assert(repetitive.length < 100);
    assert.deepEqual(decodeMessage(anything, repetitive), { text: 'x'.repeat(5000) });
    assert.notEqual(encodeMessage(anything, { text: 'short' })[0]?.[0], 1);
  });

  it('does not try to deflate what is compressed by the look of it', () => {
    const archive = deflateRawSync(Array.from({ length: 5_000 }, (_, index) => index * index).join());
    // Twice the same, which deflating again would make half as long.
    const data = Buffer.concat([archive, archive]);
    assert.notEqual(encodeMessage(anything, { data })[0]?.[0], 1);
    assert.equal(encodeMessage(anything, { data: Buffer.from(archive.toString('hex')) })[0]?.[0], 1);
  });

  it('answers arbitrary bytes with a CodecError or a message, nothing else', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc
        .tuple(fc.constantFrom(1, 2, 0x7b, 0x81, 0x85, 0xde, 0xdf), fc.uint8Array({ maxLength: 200 }))
        .map(([first, rest]) => Uint8Array.of(first, ...rest)),
      fc.uint8Array({ maxLength: 200 }).map((inner) => Uint8Array.of(1, ...deflateRawSync(inner))),
    );
    fc.assert(
      fc.property(bytes, fc.constantFrom(...topics, anything), (payload, topic) => {
        try {
          const whole = new Reassembler().accept('me', 'topic', payload);
          if (whole) decodeMessage(topic, whole);
        } catch (error) {
          assert(error instanceof CodecError, String(error));
        }
      }),
      { numRuns: 600 },
    );
  });

  it('answers a message with flipped bytes with a CodecError or a message that fits the schema', () => {
    const message = {
      session: 's',
      boot: 1,
      seq: 2,
      pods: [{ uid: 'u', namespace: 'n', name: 'p', status: { a: [1, 'x'] } }],
    };
    const original = encodeMessage(status, message)[0];
    assert(original);
    const flips = fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(flips, (changes) => {
        const payload = Uint8Array.from(original);
        for (const [at, value] of changes) payload[at] = value;
        try {
          assert(v.is(status.schema, decodeMessage(status, payload)));
        } catch (error) {
          assert(error instanceof CodecError, String(error));
        }
      }),
      { numRuns: 400 },
    );
  });

  it('refuses MessagePack extensions, which can build more than plain data', () => {
    const record = Buffer.from('81a161d4724090', 'hex');
    const date = new Packr({ useRecords: false }).pack({ a: new Date(0) });
    const expression = new Packr({ useRecords: false, moreTypes: true }).pack({ a: /(a+)+$/ });
    for (const payload of [record, date, expression]) {
      assert.throws(() => decodeMessage(anything, payload), refusal('Malformed'));
    }
  });

  it('does not let a message touch a prototype, nor lose the rest of it', () => {
    const packed = Buffer.from('82a95f5f70726f746f5f5f81a76973526f677565c3a16101', 'hex');
    for (const payload of [
      packed,
      Buffer.from('{"__proto__":{"isRogue":true},"a":1}'),
      Buffer.from('{"\\u005f_proto__":{"isRogue":true},"a":1}'),
    ]) {
      const message: { a?: number; isRogue?: boolean } = decodeMessage(anything, payload);
      assert.equal(message.a, 1);
      assert.equal(message.isRogue, undefined);
      assert.equal(Object.getPrototypeOf(message), Object.prototype);
    }
  });

  it('refuses what inflates above the limit', () => {
    const bomb = Uint8Array.of(1, ...deflateRawSync(Buffer.alloc(limits.messageBytesMax + 1024)));
    assert.throws(() => decodeMessage(anything, bomb), refusal('TooLarge'));
  });

  it('refuses nesting above the limit in both formats', () => {
    const depth = 5000;
    const packed = Buffer.concat([
      Buffer.from([0x81, 0xa1, 0x61]),
      Buffer.alloc(depth, 0x91),
      Buffer.from([1]),
    ]);
    const json = Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    for (const payload of [packed, json]) {
      assert.throws(() => decodeMessage(anything, payload), refusal('TooDeep'));
    }
  });

  it('names the member that is not as the schema says, never its value', () => {
    const payload = Buffer.from('{"request":{"secret":"hunter2"}}');
    assert.throws(() => decodeMessage(ask, payload), /topic ask: request is not as the schema says$/);
  });

  it('refuses to encode a message above the limit', () => {
    const text = 'x'.repeat(limits.messageBytesMax);
    assert.throws(() => encodeMessage(anything, { text }), refusal('TooLarge'));
  });
});

describe('chunks', () => {
  const message = { text: noise(300_000) };
  const chunks = encodeMessage(anything, message);

  it('never make a packet larger than the broker takes', () => {
    assert(chunks.length > 2);
    for (const chunk of chunks) {
      assert(chunk.length <= limits.chunkBytesMax && chunk.length + 1024 < limits.packetBytesMax);
    }
  });

  it('complete in any order, with duplicates, exactly when the last one is there', () => {
    const order = fc
      .array(fc.nat(chunks.length - 1), { maxLength: 8 })
      .chain((extra) => fc.shuffledSubarray([...chunks.keys(), ...extra], { minLength: chunks.length }));
    fc.assert(
      fc.property(order, (indices) => {
        const reassembler = new Reassembler();
        const seen = new Set<number>();
        for (const index of indices) {
          seen.add(index);
          const chunk = chunks[index];
          assert(chunk);
          const whole = reassembler.accept('me', 'topic', chunk);
          assert.equal(whole !== undefined, seen.size === chunks.length);
          if (!whole) continue;
          assert.deepEqual(decodeMessage(anything, whole), message);
          return;
        }
      }),
      { numRuns: 15 },
    );
  });

  it('of two sendings complete each other', () => {
    const reassembler = new Reassembler();
    const again = encodeMessage(anything, message);
    for (const chunk of chunks.slice(0, -1)) reassembler.accept('me', 'topic', chunk);
    const whole = reassembler.accept('me', 'topic', again.at(-1) ?? new Uint8Array());
    assert(whole);
    assert.deepEqual(decodeMessage(anything, whole), message);
  });

  it('of different senders or topics never mix', () => {
    const reassembler = new Reassembler();
    for (const chunk of chunks.slice(0, -1)) reassembler.accept('me', 'topic', chunk);
    const last = chunks.at(-1) ?? new Uint8Array();
    assert.equal(reassembler.accept('you', 'topic', last), undefined);
    assert.equal(reassembler.accept('me', 'other', last), undefined);
  });

  it('that were changed on the way are refused', () => {
    const reassembler = new Reassembler();
    const changed = chunks.map((chunk) => Uint8Array.from(chunk));
    const first = changed[0];
    assert(first);
    first[100] = (first[100] ?? 0) ^ 1;
    assert.throws(
      () => changed.map((chunk) => reassembler.accept('me', 'topic', chunk)),
      refusal('Malformed'),
    );
    assert.equal(reassembler.pendingBytes, 0);
  });

  it('of unfinished messages are bounded per sender, the oldest giving way', () => {
    const reassembler = new Reassembler();
    const many = Array.from({ length: 10 }, (_, index) =>
      encodeMessage(anything, { text: noise(90_000) + index }),
    );
    for (const [first] of many) reassembler.accept('me', 'topic', first ?? new Uint8Array());
    assert(reassembler.pendingBytes <= limits.partialMessagesPerSenderMax * limits.chunkBytesMax);
    assert(reassembler.accept('me', 'topic', many.at(-1)?.[1] ?? new Uint8Array()));
    assert.equal(reassembler.accept('me', 'topic', many[0]?.[1] ?? new Uint8Array()), undefined);
    reassembler.forget('me');
    assert.equal(reassembler.pendingBytes, 0);
  });

  it('of unfinished messages are bounded over all senders', () => {
    const reassembler = new Reassembler();
    const chunk = chunks[0] ?? new Uint8Array();
    for (let sender = 0; sender < 1200; sender++) reassembler.accept(`node-${sender}`, 'topic', chunk);
    assert(reassembler.pendingBytes <= limits.partialMessagesBytesMax);
  });

  it('that claim more than a message may hold are refused', () => {
    const header = Buffer.from('0200000000000000000000ffff00', 'hex');
    assert.throws(() => new Reassembler().accept('me', 'topic', header), refusal('TooLarge'));
  });
});
