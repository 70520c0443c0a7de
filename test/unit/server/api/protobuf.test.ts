import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { decodeMessage } from '../../../../server/api/request/protobuf/decode-message.ts';
import { fieldTable } from '../../../../server/api/request/protobuf/field-table.ts';
import { readEnvelope } from '../../../../server/api/request/protobuf/read-envelope.ts';
import { WireError } from '../../../../server/api/request/protobuf/wire-reader.ts';

type Part = [number, bigint | number | string | Buffer];

/** Writes fields as protobuf: numbers as varints, everything else with its length. */
function message(...parts: Part[]): Buffer {
  return Buffer.concat(
    parts.map(([number, value]) => {
      if (typeof value === 'bigint' || typeof value === 'number')
        return Buffer.concat([varint(BigInt(number) * 8n), varint(BigInt(value))]);
      const bytes = Buffer.from(value as string);
      return Buffer.concat([varint(BigInt(number) * 8n + 2n), varint(BigInt(bytes.length)), bytes]);
    }),
  );
}

function varint(value: bigint): Buffer {
  const bytes = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Buffer.from([...bytes, Number(rest)]);
}

const configMap = 'io.k8s.api.core.v1.ConfigMap';
const refused = (error: unknown) => error instanceof WireError;

test('the table knows every field of every message it names', () => {
  for (const [name, fields] of Object.entries(fieldTable)) {
    const known = new Set(
      fields.flatMap(([, field, type, mode]) =>
        mode === 'inline' ? (fieldTable[type] ?? []).map(([, inner]) => inner) : field,
      ),
    );
    const missing = Object.keys(schemas[name]?.properties ?? {}).filter(
      (field) => !known.has(field) && field !== 'kind' && field !== 'apiVersion',
    );
    assert.deepEqual(missing, [], name);
    for (const [, , type] of fields)
      if (type.includes('.')) assert.ok(fieldTable[type] ?? isWellKnown(type), type);
  }
});

function isWellKnown(type: string): boolean {
  return /\.(?:Time|MicroTime|Quantity|IntOrString|FieldsV1)$/.test(type);
}

describe('a protobuf message reads as the JSON that says the same', () => {
  test('strings, maps, bytes; Go zero values mean nothing', () => {
    const metadata = message(
      [1, 'name'],
      [2, ''],
      [3, 'space'],
      [11, message([1, 'k'], [2, 'v'])],
      [8, message()],
    );
    const bytes = message(
      [1, metadata],
      [2, message([1, 'a'], [2, '1'])],
      [2, message([1, 'empty'])],
      [3, message([1, 'raw'], [2, Buffer.from([0, 255])])],
      [99, 'from a later release'],
    );
    assert.deepEqual(decodeMessage(configMap, bytes), {
      metadata: { name: 'name', namespace: 'space', labels: { k: 'v' } },
      data: { a: '1', empty: '' },
      binaryData: { raw: 'AP8=' },
    });
  });

  test('a pointer to zero is zero', () => {
    const spec = message([1, 0], [5, 0]);
    assert.deepEqual(decodeMessage('io.k8s.api.apps.v1.Deployment', message([2, spec])), {
      spec: { replicas: 0 },
    });
  });

  test('quantities, int-or-strings, times and negative numbers', () => {
    const port = message([3, 80], [4, message([1, 1], [3, 'http'])]);
    const other = message([3, 81], [4, message([1, 0], [2, 8080])]);
    const service = decodeMessage('io.k8s.api.core.v1.ServiceSpec', message([1, port], [1, other]));
    assert.deepEqual(service, {
      ports: [
        { port: 80, targetPort: 'http' },
        { port: 81, targetPort: 8080 },
      ],
    });
    const limits = message([1, message([1, 'cpu'], [2, message([1, '500m'])])]);
    assert.deepEqual(decodeMessage('io.k8s.api.core.v1.ResourceRequirements', limits), {
      limits: { cpu: '500m' },
    });
    const lease = message([1, 'me'], [4, message([1, 1_767_225_600], [2, 123_456_000])]);
    assert.deepEqual(decodeMessage('io.k8s.api.coordination.v1.LeaseSpec', lease), {
      holderIdentity: 'me',
      renewTime: '2026-01-01T00:00:00.123456Z',
    });
    assert.deepEqual(decodeMessage('io.k8s.api.core.v1.PodSpec', message([25, -5n])), { priority: -5 });
  });

  test('what Go embeds, JSON writes inline', () => {
    const probe = message([1, message([1, message([1, 'true'])])], [3, 5]);
    assert.deepEqual(decodeMessage('io.k8s.api.core.v1.Probe', probe), {
      exec: { command: ['true'] },
      timeoutSeconds: 5,
    });
  });
});

test('an envelope tells its type; of another kind nothing more is read', () => {
  const type = message([1, 'v1'], [2, 'ConfigMap']);
  const raw = message([1, message([1, 'name'])]);
  const body = Buffer.concat([Buffer.from('k8s\0'), message([1, type], [2, raw], [3, ''], [4, ''])]);
  assert.deepEqual(readEnvelope(body, { kind: 'ConfigMap', schema: configMap }), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'name' },
  });
  assert.deepEqual(readEnvelope(body, { kind: 'Pod', schema: 'io.k8s.api.core.v1.Pod' }), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
  });
});

test('what is no message is refused', () => {
  const bad: [string, Buffer][] = [
    ['cut off', message([1, 'longer than it is']).subarray(0, 5)],
    ['a length beyond the end', Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ['an endless number', Buffer.alloc(20, 0xff)],
    ['a group', Buffer.from([0x0b])],
    ['a number for a message', message([1, 7])],
    ['not UTF-8', message([1, message([1, Buffer.from([0xff])])])],
  ];
  for (const [name, bytes] of bad) assert.throws(() => decodeMessage(configMap, bytes), refused, name);
  assert.throws(() => readEnvelope(Buffer.from('{}'), { kind: 'ConfigMap', schema: configMap }), refused);
  const fields = message([1, message([17, message([7, message([1, '{"f:a":'])])])]);
  assert.throws(() => decodeMessage(configMap, fields), refused, 'managed fields that are no JSON');
});

test('random bytes are read or refused, never worse', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeMessage('io.k8s.api.core.v1.Pod', Buffer.from(bytes));
      } catch (error) {
        assert.ok(refused(error), String(error));
      }
    }),
    { numRuns: 300 },
  );
});
