import { ProtobufError } from './protobuf-error.ts';
import {
  readBytes,
  readFields,
  readMessage,
  readString,
  skipValue,
  wireReader,
  wireTypes,
} from './wire-reader.ts';

/** What Kubernetes wraps around every protobuf object (runtime.Unknown): its kind, so that it can be told apart. */
export interface Envelope {
  apiVersion: string;
  kind: string;
  /** The object's own message, a part of the given bytes. */
  raw: Buffer;
}

/** The media type of an enveloped object. */
export const protobufMediaType = 'application/vnd.kubernetes.protobuf';

const magic = Buffer.from('k8s\0', 'latin1');

/** Throws ProtobufError. */
export function readEnvelope(bytes: Buffer): Envelope {
  if (!bytes.subarray(0, magic.length).equals(magic))
    throw new ProtobufError('UnknownFormat', 'the data does not begin with the magic bytes "k8s\\0"');
  const envelope: Envelope = { apiVersion: '', kind: '', raw: Buffer.alloc(0) };
  readFields(wireReader(bytes.subarray(magic.length)), (reader, number, wireType) => {
    if (number > 4) skipValue(reader, wireType);
    else if (wireType !== wireTypes.bytes)
      throw new ProtobufError('Malformed', `wrong wireType = ${wireType} for field number ${number}`);
    else if (number === 1) readTypeMeta(reader, envelope);
    else if (number === 2) envelope.raw = readBytes(reader);
    else refuseEncoded(readString(reader));
  });
  return envelope;
}

function readTypeMeta(reader: Parameters<typeof readMessage>[0], envelope: Envelope): void {
  readMessage(reader, (inner, number, wireType) => {
    if (number > 2) skipValue(inner, wireType);
    else if (wireType !== wireTypes.bytes)
      throw new ProtobufError('Malformed', `wrong wireType = ${wireType} for field number ${number}`);
    else if (number === 1) envelope.apiVersion = readString(inner);
    else envelope.kind = readString(inner);
  });
}

/** Content encoding and content type of the raw bytes: both are empty for protobuf itself. */
function refuseEncoded(name: string): void {
  if (name !== '' && name !== protobufMediaType)
    throw new ProtobufError('UnknownFormat', 'the enveloped object is not written in protobuf');
}
