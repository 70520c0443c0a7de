import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import {
  derBits,
  derContext,
  derInteger,
  derOctets,
  derOid,
  derSequence,
  derTime,
  derUtf8,
  readDer,
  readDerAll,
} from '../../../lib/der.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('DER', () => {
  it('is written as the standard shows it', () => {
    assert.equal(hex(derOid('1.2.840.10045.4.3.2')), '06082a8648ce3d040302');
    assert.equal(hex(derOid('2.5.29.15')), '0603551d0f');
    assert.equal(hex(derInteger(Uint8Array.of(0, 0))), '020100');
    assert.equal(hex(derInteger(Uint8Array.of(0, 0x80))), '02020080');
    assert.equal(hex(derInteger(Uint8Array.of(0x7f))), '02017f');
    assert.equal(hex(derBits(Uint8Array.of(0x80), 7)), '03020780');
    assert.equal(hex(derContext(0)), 'a000');
    assert.equal(
      Buffer.from(derTime(Date.UTC(2049, 11, 31, 23, 59, 59))).toString('latin1', 2),
      '491231235959Z',
    );
    assert.equal(Buffer.from(derTime(Date.UTC(2050, 0, 1))).toString('latin1', 2), '20500101000000Z');
  });

  it('is read as it was written, whatever the lengths', () => {
    const contents = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 6 });
    fc.assert(
      fc.property(contents, (values) => {
        const { tag, content } = readDer(derSequence(...values.map(derOctets)));
        assert.equal(tag, 0x30);
        assert.deepEqual(
          readDerAll(content).map((node) => hex(node.content)),
          values.map(hex),
        );
      }),
      { numRuns: 100 },
    );
    assert.equal(readDer(derUtf8('x'.repeat(70_000))).content.length, 70_000);
  });

  it('of anything else is a RangeError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          readDer(bytes);
        } catch (error) {
          assert(error instanceof RangeError);
        }
      }),
      { numRuns: 300 },
    );
    for (const bad of [
      '',
      '30',
      '3080',
      '30850000000000',
      '308101',
      '30820001',
      '3002',
      '300001',
      '1f0100',
    ]) {
      assert.throws(() => readDer(Buffer.from(bad, 'hex')), RangeError, bad);
    }
  });
});
