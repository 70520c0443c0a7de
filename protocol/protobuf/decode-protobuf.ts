import { compileStructReader, type JsonObject, type StructReader } from './compile-reader.ts';
import { readEnvelope } from './envelope.ts';
import type { MessageTable } from './message-table.ts';
import { wireReader } from './wire-reader.ts';

/**
 * Reads protobuf messages as the JSON that a client of the same object would have sent: names, and which fields are
 * absent, are those of Kubernetes' Go structs. Whether values are sensible is for who reads the JSON.
 */
export interface ProtobufDecoder {
  /** False for objects that Kubernetes defines in JSON alone. */
  knows(schema: string): boolean;
  /** `schema` such as `io.k8s.api.core.v1.Pod`. Throws ProtobufError when the bytes are not such a message. */
  decode(schema: string, bytes: Buffer): JsonObject;
  /**
   * As `decode`, for the object in an envelope, with its apiVersion and kind. Of an object of another kind than the
   * expected one nothing else is read: its bytes could mean anything, and the caller refuses it by its name.
   */
  decodeEnveloped(expected: { kind: string; schema: string }, bytes: Buffer): JsonObject;
}

/** Readers are compiled at their first use and kept. */
export function createProtobufDecoder({ packages }: Pick<MessageTable, 'packages'>): ProtobufDecoder {
  const compiled = new Map<string, StructReader>();

  function rowsOf(schema: string) {
    const at = schema.lastIndexOf('.');
    const messages = packages[schema.slice(0, at)] ?? {};
    const name = schema.slice(at + 1);
    return Object.hasOwn(messages, name) ? messages[name] : undefined;
  }

  function readerOf(schema: string): StructReader {
    const known = compiled.get(schema);
    if (known) return known;
    const rows = rowsOf(schema);
    if (rows === undefined || typeof rows === 'string') throw new Error(`no protobuf message ${schema}`);
    const reader = compileStructReader(rows, schema.slice(0, schema.lastIndexOf('.')), {
      readerOf,
      isList: (name) => typeof rowsOf(name) === 'string',
    });
    compiled.set(schema, reader);
    return reader;
  }

  function decode(schema: string, bytes: Buffer): JsonObject {
    const object: JsonObject = {};
    readerOf(schema)(wireReader(bytes), object);
    return object;
  }

  return {
    knows: (schema) => typeof rowsOf(schema) === 'object',
    decode,
    decodeEnveloped(expected, bytes) {
      const { apiVersion, kind, raw } = readEnvelope(bytes);
      const type = { ...(apiVersion && { apiVersion }), ...(kind && { kind }) };
      if (kind !== '' && kind !== expected.kind) return type;
      return Object.assign(decode(expected.schema, raw), type);
    },
  };
}
