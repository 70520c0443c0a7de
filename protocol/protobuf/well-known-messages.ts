import { intOrStringName, metaPrefix, microTimeName, quantityName, timeName } from '../schema/well-known.ts';
import { ProtobufError } from './protobuf-error.ts';
import {
  readBytes,
  readInt32,
  readInt64,
  readMessage,
  readString,
  skipValue,
  type WireReader,
  wireTypes,
} from './wire-reader.ts';

/**
 * Messages that JSON writes as one value. Each reader reads the message whose length comes next; undefined stands for a
 * value that JSON leaves out or writes as null.
 */
export const wellKnownMessages: Readonly<Record<string, (reader: WireReader) => unknown>> = {
  [timeName]: (reader) => readTime(reader, 'seconds'),
  [microTimeName]: (reader) => readTime(reader, 'microseconds'),
  [quantityName]: readQuantity,
  [intOrStringName]: readIntOrString,
  [`${metaPrefix}.FieldsV1`]: readJson,
  'io.k8s.apimachinery.pkg.runtime.RawExtension': readJson,
};

/** What Go's zero time is, which stands for none. */
const zeroTimeSeconds = -62_135_596_800;
const yearTenThousandSeconds = 253_402_300_800;

/** Kubernetes' Time is of seconds, whatever nanoseconds say. */
function readTime(reader: WireReader, precision: 'seconds' | 'microseconds'): string | undefined {
  let seconds = 0;
  let nanos = 0;
  let empty = true;
  readMessage(reader, (inner, number, wireType) => {
    empty = false;
    if (number === 1 && wireType === wireTypes.varint) seconds = readInt64(inner);
    else if (number === 2 && wireType === wireTypes.varint) nanos = readInt32(inner);
    else skipUnknown(inner, number, wireType, 2);
  });
  if (empty || (seconds === zeroTimeSeconds && nanos === 0)) return undefined;
  if (seconds < zeroTimeSeconds || seconds >= yearTenThousandSeconds || nanos < 0 || nanos >= 1e9)
    throw new ProtobufError('Malformed', 'a time is out of range');
  const text = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
  if (precision === 'seconds') return `${text}Z`;
  return `${text}.${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}

function readQuantity(reader: WireReader): string {
  let text = '0';
  readMessage(reader, (inner, number, wireType) => {
    if (number === 1 && wireType === wireTypes.bytes) text = readString(inner);
    else skipUnknown(inner, number, wireType, 1);
  });
  return text;
}

function readIntOrString(reader: WireReader): number | string {
  let type = 0;
  let number = 0;
  let text = '';
  readMessage(reader, (inner, field, wireType) => {
    if (field === 1 && wireType === wireTypes.varint) type = readInt64(inner);
    else if (field === 2 && wireType === wireTypes.varint) number = readInt32(inner);
    else if (field === 3 && wireType === wireTypes.bytes) text = readString(inner);
    else skipUnknown(inner, field, wireType, 3);
  });
  if (type !== 0 && type !== 1) throw new ProtobufError('Malformed', 'impossible IntOrString.Type');
  return type === 0 ? number : text;
}

/** A JSON text in field 1; what reads on guards against its depth and keys. */
function readJson(reader: WireReader): unknown {
  let text = Buffer.alloc(0);
  readMessage(reader, (inner, number, wireType) => {
    if (number === 1 && wireType === wireTypes.bytes) text = Buffer.from(readBytes(inner));
    else skipUnknown(inner, number, wireType, 1);
  });
  if (text.length === 0) return undefined;
  try {
    return JSON.parse(strictUtf8.decode(text)) ?? undefined;
  } catch (cause) {
    throw new ProtobufError('Malformed', 'embedded JSON cannot be parsed', { cause });
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** A known field of the wrong wire type is an error, a field of another number is passed over. */
function skipUnknown(reader: WireReader, number: number, wireType: number, numberMax: number): void {
  if (number <= numberMax)
    throw new ProtobufError('Malformed', `wrong wireType = ${wireType} for field number ${number}`);
  skipValue(reader, wireType);
}
