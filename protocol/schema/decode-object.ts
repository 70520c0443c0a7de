import type { CustomParts, KindDefinition, KubernetesObject } from '../kinds/define-kind.ts';
import { StatusError } from '../status.ts';
import { type Checker, checkAnything, checkerCompiler, DecodeError, type Walk } from './compile-checker.ts';
import type { SchemaSet } from './schema.ts';
import { metaPrefix } from './well-known.ts';

/** What to do about fields that the schema does not know (query parameter `fieldValidation`). */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface DecodeOptions {
  fieldValidation: FieldValidation;
  /** Paths from findDuplicateFields; they count like unknown fields. */
  duplicateFields?: readonly string[];
}

interface Decoded<T> {
  /** The value itself, pruned and in canonical spelling. */
  object: T;
  /** One text each, for Warning headers. */
  warnings: string[];
}

export interface ObjectDecoder {
  /**
   * Reads parsed JSON as an object of `kind`, in place. Throws StatusError BadRequest with the message of Kubernetes'
   * decoder on wrong types, and under Strict on unknown or duplicate fields.
   */
  decode<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    value: unknown,
    options: DecodeOptions,
  ): Decoded<T>;
  /** As `decode`, for an object of the API that is no kind, such as DeleteOptions. */
  decodeAs(schema: string, value: unknown, options: DecodeOptions): Decoded<unknown>;
}

/** Schemas are compiled at their first use and kept. */
export function createObjectDecoder(schemas: SchemaSet): ObjectDecoder {
  const checkerOf = checkerCompiler(schemas);

  function decodeAs(schema: string, value: unknown, options: DecodeOptions): Decoded<unknown> {
    const kind = schema.slice(schema.lastIndexOf('.') + 1);
    const version = schema.split('.').at(-2) ?? '';
    return read(checkerOf(schema), value, { ...options, kind, version });
  }

  function read(
    check: Checker,
    value: unknown,
    { kind, version, ...options }: DecodeOptions & { kind: string; version: string },
  ): Decoded<unknown> {
    const refuse = (why: string) =>
      new StatusError('BadRequest', `${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
    const walk: Walk = { path: [], struct: '', unknownFields: [] };
    let object: unknown;
    try {
      object = check(value, walk);
    } catch (error) {
      if (error instanceof DecodeError) throw refuse(error.message);
      throw error;
    }
    const faults = [
      ...(options.duplicateFields ?? []).map((path) => `duplicate field "${path}"`),
      ...walk.unknownFields.map((path) => `unknown field "${path}"`),
    ];
    if (options.fieldValidation === 'Strict' && faults.length > 0) {
      throw refuse(`strict decoding error: ${faults.join(', ')}`);
    }
    return { object, warnings: options.fieldValidation === 'Warn' ? faults : [] };
  }

  return {
    decodeAs,
    decode<T extends KubernetesObject>(kind: KindDefinition<T>, value: unknown, options: DecodeOptions) {
      if (!kind.custom) return decodeAs(kind.schema, value, options) as Decoded<T>;
      const check = checkCustom(kind.custom, checkerOf(`${metaPrefix}.ObjectMeta`));
      return read(check, value, { ...options, kind: kind.kind, version: kind.version }) as Decoded<T>;
    },
  };
}

/** Of a kind that was defined at run time, metadata is a struct; wrong types elsewhere are the kind's to refuse. */
function checkCustom({ prune }: CustomParts, checkMetadata: Checker): Checker {
  return (value, walk) => {
    checkAnything(value, walk);
    if (typeof value !== 'object' || value === null) return value;
    const object = value as { metadata?: unknown };
    if (object.metadata === null) delete object.metadata;
    if (object.metadata !== undefined) {
      walk.path.push('metadata');
      object.metadata = checkMetadata(object.metadata, walk);
      walk.path.pop();
    }
    walk.unknownFields.push(...prune(object));
    return object;
  };
}
