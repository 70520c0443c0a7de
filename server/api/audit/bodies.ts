import * as yaml from 'yaml';
import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import type { ProtobufDecoder } from '../../../protocol/protobuf/decode-protobuf.ts';
import { protobufMediaType } from '../../../protocol/protobuf/envelope.ts';
import { ProtobufError } from '../../../protocol/protobuf/protobuf-error.ts';
import type { RequestBody } from '../request/request-body.ts';

/** Undefined for what cannot be read. */
export type BodyDecoder = (body: RequestBody) => unknown;

/** JSON of any kind, and YAML. */
export const plainBody: BodyDecoder = ({ bytes, mediaType }) => {
  const text = Buffer.from(bytes).toString('utf8');
  if (text === '') return undefined;
  try {
    if (mediaType.includes('yaml')) return yaml.parse(text, { maxAliasCount: 0 }) as unknown;
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** As `plainBody`, and protobuf of the kind. */
export function auditedBody(
  body: RequestBody,
  { kind, protobuf }: { kind: KindDefinition; protobuf: ProtobufDecoder },
): unknown {
  if (body.mediaType !== protobufMediaType) return plainBody(body);
  try {
    return protobuf.decodeEnveloped(kind, body.bytes);
  } catch (error) {
    if (error instanceof ProtobufError) return undefined;
    throw error;
  }
}

/** A copy of an object, or of a list and its items, without metadata.managedFields. */
export function withoutManagedFields(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const { metadata, items, ...rest } = value as { metadata?: object; items?: unknown };
  return {
    ...rest,
    ...(metadata === undefined ? {} : { metadata: { ...metadata, managedFields: undefined } }),
    ...(items === undefined ? {} : { items: Array.isArray(items) ? items.map(withoutManagedFields) : items }),
  };
}
