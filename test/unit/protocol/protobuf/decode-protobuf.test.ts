import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { createProtobufDecoder } from '../../../../protocol/protobuf/decode-protobuf.ts';
import { readEnvelope } from '../../../../protocol/protobuf/envelope.ts';
import { type MessageTable, messageTable } from '../../../../protocol/protobuf/message-table.ts';
import { ProtobufError, type ProtobufErrorCode } from '../../../../protocol/protobuf/protobuf-error.ts';
import { metaPrefix } from '../../../../protocol/schema/well-known.ts';
import { arbitraryMessage } from './arbitrary-message.ts';
import {
  encodeMessage,
  envelope,
  lengthDelimited,
  objectMetaSchema,
  textField,
  varint,
  varintField,
} from './encode-protobuf.ts';
import { kubectlBodies } from './kubectl-bodies.ts';

const decoder = createProtobufDecoder(messageTable);
const core = 'io.k8s.api.core.v1';
const structs = Object.entries(messageTable.packages).flatMap(([home, messages]) =>
  Object.entries(messages).flatMap(([name, rows]) => (typeof rows === 'string' ? [] : [`${home}.${name}`])),
);

function failsWith(code: ProtobufErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ProtobufError && error.code === code;
}

test('what kubectl sends reads as the JSON that it stands for', () => {
  for (const { schema, type, base64, object } of kubectlBodies) {
    const { raw, ...found } = readEnvelope(Buffer.from(base64, 'base64'));
    assert.deepEqual(found, type);
    assert.deepEqual(decoder.decode(schema, raw), object);
  }
});

test('any message of any kind survives the way over the wire', () => {
  const anyMessage = fc
    .constantFrom(...structs)
    .chain((schema) => fc.tuple(fc.constant(schema), arbitraryMessage(messageTable, schema, 3)));
  fc.assert(
    fc.property(anyMessage, ([schema, value]) => {
      assert.deepEqual(decoder.decode(schema, encodeMessage(messageTable, schema, value)), value);
    }),
    { numRuns: 400 },
  );
});

describe('absent and zero', () => {
  test('a zero that Go always writes and JSON omits is absent', () => {
    const bytes = Buffer.concat([
      textField(1, ''),
      textField(2, ''),
      varintField(7, 0n),
      lengthDelimited(8, empty),
    ]);
    assert.deepEqual(decoder.decode(objectMetaSchema, bytes), {});
  });

  test('a zero that was set on purpose stays: zero replicas, an empty storage class, false', () => {
    assert.deepEqual(decoder.decode('io.k8s.api.apps.v1.DeploymentSpec', varintField(1, 0n)), {
      replicas: 0,
    });
    assert.deepEqual(decoder.decode(`${core}.PersistentVolumeClaimSpec`, textField(5, '')), {
      storageClassName: '',
    });
    assert.deepEqual(decoder.decode(`${core}.PodSpec`, varintField(21, 0n)), {
      automountServiceAccountToken: false,
    });
  });

  test('a required zero stays', () => {
    assert.deepEqual(decoder.decode(`${core}.ContainerStateTerminated`, varintField(1, 0n)), { exitCode: 0 });
  });

  test('the last of several values counts, also when it is zero; messages are merged', () => {
    const twice = Buffer.concat([textField(1, 'a'), textField(1, '')]);
    assert.deepEqual(decoder.decode(objectMetaSchema, twice), {});
    const meta = Buffer.concat([
      lengthDelimited(1, textField(1, 'a')),
      lengthDelimited(1, textField(3, 'space')),
    ]);
    assert.deepEqual(decoder.decode(`${core}.ConfigMap`, meta), {
      metadata: { name: 'a', namespace: 'space' },
    });
  });
});

describe('special values', () => {
  const time = (field: Buffer) => decoder.decode(objectMetaSchema, lengthDelimited(8, field));
  const micro = (field: Buffer) =>
    decoder.decode('io.k8s.api.coordination.v1.LeaseSpec', lengthDelimited(4, field));
  const seconds = 1_769_860_800n;

  test('times are in UTC; Time knows seconds and MicroTime microseconds', () => {
    const moment = Buffer.concat([varintField(1, seconds), varintField(2, 123_456_789n)]);
    assert.deepEqual(time(moment), { creationTimestamp: '2026-01-31T12:00:00Z' });
    assert.deepEqual(micro(moment), { renewTime: '2026-01-31T12:00:00.123456Z' });
    assert.deepEqual(time(Buffer.concat([varintField(1, 0n), varintField(2, 0n)])), {
      creationTimestamp: '1970-01-01T00:00:00Z',
    });
    assert.deepEqual(time(varintField(1, -1n)), { creationTimestamp: '1969-12-31T23:59:59Z' });
  });

  test('the zero time is absent, an impossible one is refused', () => {
    assert.deepEqual(time(varintField(1, -62_135_596_800n)), {});
    for (const field of [varintField(1, 1n << 62n), varintField(1, -(1n << 62n)), varintField(2, 1n << 30n)])
      assert.throws(() => time(field), failsWith('Malformed'));
  });

  test('whole numbers keep their sign, and beyond 2^53 their nearest neighbour, as in JSON', () => {
    const grace = (value: bigint) =>
      decoder.decode(`${metaPrefix}.DeleteOptions`, varintField(1, value))['gracePeriodSeconds'];
    for (const value of [0n, -1n, 127n, 128n, 2n ** 53n - 1n, -(2n ** 53n), 2n ** 63n - 1n, -(2n ** 63n)])
      assert.equal(grace(value), JSON.parse(String(value)), String(value));
    const port = (value: bigint) =>
      decoder.decode(`${core}.ContainerPort`, varintField(3, value))['containerPort'];
    for (const value of [-1n, 2n ** 31n - 1n, -(2n ** 31n)]) assert.equal(port(value), Number(value));
    assert.equal(port(2n ** 32n + 5n), 5);
  });

  test('packed numbers are a list like any', () => {
    const schema = `${core}.PodSecurityContext`;
    const packed = lengthDelimited(4, Buffer.concat([varint(1n), varint(300n)]));
    assert.deepEqual(decoder.decode(schema, Buffer.concat([packed, varintField(4, 7n)])), {
      supplementalGroups: [1, 300, 7],
    });
  });

  test('bytes are base64, and map entries may lack key or value', () => {
    const entry = (...parts: Buffer[]) => lengthDelimited(2, Buffer.concat(parts));
    const secret = Buffer.concat([
      entry(textField(1, 'a'), lengthDelimited(2, Buffer.from([0, 255, 254]))),
      entry(textField(1, 'b')),
      entry(lengthDelimited(2, Buffer.from('x')), textField(9, 'unknown')),
    ]);
    assert.deepEqual(decoder.decode(`${core}.Secret`, secret), { data: { a: 'AP/+', b: '', '': 'eA==' } });
    const node = lengthDelimited(1, textField(1, 'cpu'));
    assert.deepEqual(decoder.decode(`${core}.NodeStatus`, node), { capacity: { cpu: null } });
  });

  test('an IntOrString of neither kind and embedded JSON that is none are refused', () => {
    const port = lengthDelimited(4, varintField(1, 2n));
    assert.throws(() => decoder.decode(`${core}.ServicePort`, port), failsWith('Malformed'));
    for (const text of ['{', '{"a":\xff}']) {
      const fields = lengthDelimited(7, lengthDelimited(1, Buffer.from(text, 'latin1')));
      assert.throws(() => decoder.decode(`${metaPrefix}.ManagedFieldsEntry`, fields), failsWith('Malformed'));
    }
  });
});

describe('hostile bytes', () => {
  test('end in an object or a ProtobufError, whatever they are', () => {
    const anything = fc.tuple(fc.constantFrom(...structs), fc.uint8Array({ maxLength: 64 }));
    fc.assert(
      fc.property(anything, ([schema, bytes]) =>
        onlyProtobufErrors(() => decoder.decode(schema, Buffer.from(bytes))),
      ),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) =>
        onlyProtobufErrors(() => readEnvelope(Buffer.concat([Buffer.from('k8s\0'), bytes]))),
      ),
      { numRuns: 1_000 },
    );
  });

  test('no cut and no flipped bit of a real body does more', () => {
    for (const { schema, base64 } of kubectlBodies) {
      const whole = Buffer.from(base64, 'base64');
      for (let at = 0; at < whole.length; at++) {
        onlyProtobufErrors(() => decoder.decode(schema, readEnvelope(whole.subarray(0, at)).raw));
        const bent = Buffer.from(whole);
        bent[at] = (bent[at] ?? 0) ^ (1 << (at % 8));
        onlyProtobufErrors(() => decoder.decode(schema, readEnvelope(bent).raw));
      }
    }
  });

  test('nothing is read beyond the message, though the buffer goes on', () => {
    const around = Buffer.concat([textField(1, 'name'), textField(3, 'secret neighbour')]);
    const name = around.subarray(0, textField(1, 'name').length);
    assert.deepEqual(decoder.decode(objectMetaSchema, name), { name: 'name' });
    assert.throws(() => decoder.decode(objectMetaSchema, name.subarray(0, -1)), failsWith('Truncated'));
  });

  test('a length of a nested message cannot reach out of the message around it', () => {
    const reaching = Buffer.concat([
      lengthDelimited(1, Buffer.from([0x0a, 20])),
      textField(2, 'x'.repeat(30)),
    ]);
    assert.throws(() => decoder.decode(`${core}.ConfigMap`, reaching), failsWith('Truncated'));
  });

  test('a map cannot reach a prototype', () => {
    const labels = lengthDelimited(11, Buffer.concat([textField(1, '__proto__'), textField(2, 'x')]));
    assert.throws(() => decoder.decode(objectMetaSchema, labels), failsWith('Forbidden'));
    const others = ['constructor', 'toString', 'hasOwnProperty'].map((key) =>
      lengthDelimited(11, Buffer.concat([textField(1, key), textField(2, 'x')])),
    );
    const decoded = decoder.decode(objectMetaSchema, Buffer.concat(others));
    assert.deepEqual(Object.keys(decoded['labels'] as object), ['constructor', 'toString', 'hasOwnProperty']);
    assert.ok(!Object.hasOwn(Object.prototype, 'x'));
  });

  test('impossible tags, lengths, integers, groups and text are refused', () => {
    const cases: Buffer[] = [
      varintField(0, 1n),
      Buffer.from([0x0b, 0x0c]),
      Buffer.from([0x0e, 0]),
      Buffer.concat([varint(2n ** 35n), varint(1n)]),
      Buffer.concat([varint(7n * 8n), Buffer.alloc(11, 0xff)]),
      Buffer.concat([varint(7n * 8n), Buffer.from('ffffffffffffffffff02', 'hex')]),
      lengthDelimited(1, Buffer.from([0xc3, 0x28])),
      varintField(1, 1n),
    ];
    for (const bytes of cases)
      assert.throws(
        () => decoder.decode(objectMetaSchema, bytes),
        failsWith('Malformed'),
        bytes.toString('hex'),
      );
    const endless = Buffer.concat([varint(1n * 8n + 2n), varint(2n ** 63n)]);
    assert.throws(() => decoder.decode(objectMetaSchema, endless), failsWith('Truncated'));
  });

  test('fields that nobody knows are passed over, whatever their type', () => {
    const fixed = (wireType: number, size: number) =>
      Buffer.concat([varint(BigInt(900 * 8 + wireType)), Buffer.alloc(size, 0xff)]);
    const bytes = Buffer.concat([
      varintField(900, -1n),
      fixed(1, 8),
      fixed(5, 4),
      lengthDelimited(900, Buffer.alloc(300, 0xff)),
      varintField(2 ** 29 - 1, 1n),
      textField(1, 'a'),
    ]);
    assert.deepEqual(decoder.decode(objectMetaSchema, bytes), { name: 'a' });
    assert.throws(() => decoder.decode(objectMetaSchema, fixed(1, 7)), failsWith('Truncated'));
  });

  test('messages that contain themselves are read to a bounded depth', () => {
    const table: MessageTable = { source: 'test', packages: { p: { Nest: [[1, 'inner', 'Nest']] } } };
    const nested = createProtobufDecoder(table);
    const wrap = (times: number): Buffer => {
      let bytes: Buffer = empty;
      for (let count = 0; count < times; count++) bytes = lengthDelimited(1, bytes);
      return bytes;
    };
    assert.ok(nested.decode('p.Nest', wrap(64)));
    assert.throws(() => nested.decode('p.Nest', wrap(65)), failsWith('TooDeep'));
  });
});

describe('the envelope', () => {
  const type = { apiVersion: 'v1', kind: 'Pod' };

  test('names the object inside, or leaves that open', () => {
    assert.deepEqual(readEnvelope(envelope(type, Buffer.from('raw'))), { ...type, raw: Buffer.from('raw') });
    const bare = Buffer.concat([Buffer.from('k8s\0'), lengthDelimited(2, Buffer.from('raw'))]);
    assert.deepEqual(readEnvelope(bare), { apiVersion: '', kind: '', raw: Buffer.from('raw') });
    assert.deepEqual(readEnvelope(Buffer.from('k8s\0')).raw, empty);
  });

  test('without magic bytes, or around something encoded once more, is refused', () => {
    const gzip = Buffer.concat([envelope(type, empty), textField(3, 'gzip')]);
    const json = Buffer.concat([envelope(type, empty), textField(4, 'application/json')]);
    for (const bytes of [empty, Buffer.from('k8s'), Buffer.from('{}'), gzip, json])
      assert.throws(() => readEnvelope(bytes), failsWith('UnknownFormat'));
  });
});

test('objects that Kubernetes defines in JSON alone are told apart', () => {
  assert.equal(decoder.knows(`${core}.Pod`), true);
  for (const schema of [
    'flotilla.dev.v1.Fleet',
    `${core}.Nothing`,
    `${core}.constructor`,
    `${metaPrefix}.Verbs`,
    '',
  ])
    assert.equal(decoder.knows(schema), false, schema);
});

const empty = Buffer.alloc(0);

function onlyProtobufErrors(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ProtobufError)) throw error;
  }
}
