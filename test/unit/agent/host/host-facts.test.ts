import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { addressFacing } from '../../../../agent/host/addresses.ts';
import { clockTrusted } from '../../../../agent/host/clock-trust.ts';
import { parseMeminfo } from '../../../../agent/host/host-load.ts';
import { labelValue } from '../../../../agent/host/node-labels.ts';
import { goArchitecture } from '../../../../protocol/go-architecture.ts';

suite('label values', () => {
  for (const [text, expected] of [
    ['Raspberry Pi 4 Model B', 'Raspberry-Pi-4-Model-B'],
    ['  (Acme, Inc.) X/1 ', 'Acme-Inc.-X-1'],
    ['', ''],
    ['---', ''],
    ['x'.repeat(80), 'x'.repeat(63)],
    [`${'x'.repeat(62)} y`, 'x'.repeat(62)],
    ['Größe 3', 'Gr-e-3'],
  ] as const) {
    test(`${JSON.stringify(text)} becomes ${JSON.stringify(expected)}`, () =>
      assert.equal(labelValue(text), expected));
  }
});

test('architectures have Go’s names', () => {
  assert.deepEqual(['x64', 'arm64', 'arm', 'ia32'].map(goArchitecture), ['amd64', 'arm64', 'arm', '386']);
});

test('an old kernel that counts no available memory has all of it', () => {
  assert.deepEqual(parseMeminfo('MemTotal: 10 kB\n'), { totalBytes: 10_240, availableBytes: 10_240 });
});

test('a clock from before this program is trusted only if a time server was heard', () => {
  assert.equal(
    clockTrusted(0, () => false),
    false,
  );
  assert.equal(
    clockTrusted(0, () => true),
    true,
  );
  assert.equal(
    clockTrusted(Date.UTC(2026, 5, 1), () => false),
    true,
  );
});

test('the way to a server is found without sending anything; no way is no error', async () => {
  assert.equal(await addressFacing('127.0.0.1', 9), '127.0.0.1');
  assert.equal(await addressFacing('no.such.host.invalid', 9), undefined);
});
