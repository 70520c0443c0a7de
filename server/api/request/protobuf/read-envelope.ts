import { decodeMessage } from './decode-message.ts';
import { WireError, WireReader } from './wire-reader.ts';

export const protobufType = 'application/vnd.kubernetes.protobuf';

/** Kubernetes puts every protobuf object behind these four bytes (k8s.io/apimachinery, runtime/serializer/protobuf). */
const magic = Buffer.from('k8s\0');

/**
 * Reads a protobuf body as the JSON that would say the same. `schema` says how to read an object of `kind`; of another
 * kind only kind and apiVersion are read, so that the caller can refuse it in words. Throws WireError.
 */
export function readEnvelope(
  body: Buffer,
  { kind, schema }: { kind: string; schema: string },
): Record<string, unknown> {
  if (!body.subarray(0, magic.length).equals(magic))
    throw new WireError('the body does not begin as Kubernetes objects do');
  let type: TypeMeta = {};
  let raw: Buffer = Buffer.alloc(0);
  const reader = new WireReader(body.subarray(magic.length));
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    if (number === 1 && wireType === 2) type = readType(reader.bytes());
    else if (number === 2 && wireType === 2) raw = reader.bytes();
    else reader.skip(wireType);
  }
  const isOther = type.kind !== undefined && type.kind !== '' && type.kind !== kind;
  return { ...type, ...(isOther ? {} : decodeMessage(schema, raw)) };
}

interface TypeMeta {
  apiVersion?: string;
  kind?: string;
}

function readType(bytes: Buffer): TypeMeta {
  const type: TypeMeta = {};
  const reader = new WireReader(bytes);
  while (!reader.done) {
    const { number, wireType } = reader.tag();
    if (number === 1 && wireType === 2) type.apiVersion = reader.bytes().toString();
    else if (number === 2 && wireType === 2) type.kind = reader.bytes().toString();
    else reader.skip(wireType);
  }
  return type;
}
