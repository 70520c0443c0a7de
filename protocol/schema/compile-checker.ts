import { jsonWord, readScalar, type ScalarName, scalarGoType } from './read-scalar.ts';
import { refOf, type Schema, type SchemaSet } from './schema.ts';
import { intOrStringName, microTimeName, quantityName, timeName } from './well-known.ts';

/**
 * Checks a parsed JSON value against a schema as Kubernetes' decoder would read it into a struct: a field that is
 * not in the schema is noted and removed, null stands for absent, and values with several spellings take their
 * canonical one. Changes the value in place and returns it, or its replacement. Throws DecodeError on the first
 * wrong type.
 */
export type Checker = (value: unknown, walk: Walk) => unknown;

/** What one pass over one document knows. */
export interface Walk {
  /** What leads to the value at hand. */
  path: PathPart[];
  /** Name of the innermost struct. */
  struct: string;
  unknownFields: string[];
}

/** A field, an index or a map's key. */
type PathPart = string | number | { key: string };

export class DecodeError extends Error {
  readonly code = 'ERR_DECODE';

  constructor(message: string) {
    super(message);
    this.name = 'DecodeError';
  }
}

/** As many as a client can make sense of; the rest is removed in silence. */
const unknownFieldsMax = 100;
/** Deeper than any schema that does not contain itself. */
const depthMax = 128;

/** Returns a function that compiles the named schema at its first use. */
export function checkerCompiler(schemas: SchemaSet): (name: string) => Checker {
  const compiled = new Map<string, Checker>();
  const byName = (name: string): Checker => {
    const known = compiled.get(name);
    if (known) return known;
    const schema = schemas[name];
    if (!schema) throw new Error(`no schema ${name}`);
    // Entered before its parts are compiled, because some schemas contain themselves.
    let checker: Checker = () => undefined;
    compiled.set(name, (value, walk) => checker(value, walk));
    checker = compileNamed(name, schema, compilePart);
    compiled.set(name, checker);
    return checker;
  };
  const compilePart = (schema: Schema): Part => {
    const name = refOf(schema);
    if (name !== undefined)
      return { checker: byName(name), type: goTypeOfName(name), zero: zeroOfName(name) };
    return compileType(schema, compilePart);
  };
  return byName;
}

/** A checker, the Go type that errors name, and what null stands for inside a list or map. */
interface Part {
  checker: Checker;
  type: string;
  zero: unknown;
}

type CompilePart = (schema: Schema) => Part;

const scalarNames = new Map<string, ScalarName>([
  [quantityName, 'quantity'],
  [timeName, 'time'],
  [microTimeName, 'micro-time'],
  [intOrStringName, 'int-or-string'],
]);

function compileNamed(name: string, schema: Schema, compilePart: CompilePart): Checker {
  const scalar = scalarNames.get(name);
  if (scalar) return checkScalar(scalar);
  return schema.properties
    ? checkStruct(name, schema.properties, compilePart)
    : compileType(schema, compilePart).checker;
}

function compileType(schema: Schema, compilePart: CompilePart): Part {
  if (schema.type === 'array') {
    const items = compilePart(schema.items ?? {});
    const type = `[]${items.type}`;
    return { checker: checkList(items, type), type, zero: [] };
  }
  if (schema.type === 'object' && schema.additionalProperties) {
    const values = compilePart(schema.additionalProperties);
    const type = `map[string]${values.type}`;
    return { checker: checkMap(values, type), type, zero: {} };
  }
  const scalar = scalarOf(schema);
  if (scalar === undefined) return { checker: checkAnything, type: 'map[string]interface {}', zero: {} };
  return { checker: checkScalar(scalar), type: scalarGoType(scalar), zero: zeroOf(scalar) };
}

function scalarOf({ type, format }: Schema): ScalarName | undefined {
  switch (type) {
    case 'string':
      return format === 'byte' ? 'bytes' : 'string';
    case 'integer':
      return format === 'int32' ? 'int32' : 'int64';
    case 'number':
      return 'double';
    case 'boolean':
      return 'boolean';
    case 'array':
    case 'object':
    case undefined:
    default:
      return undefined;
  }
}

function zeroOf(scalar: ScalarName): unknown {
  if (scalar === 'boolean') return false;
  return scalar === 'int32' || scalar === 'int64' || scalar === 'double' ? 0 : '';
}

function zeroOfName(name: string): unknown {
  const scalar = scalarNames.get(name);
  if (scalar === undefined) return {};
  return scalar === 'quantity' ? '0' : null;
}

function goTypeOfName(name: string): string {
  return scalarNames.has(name)
    ? scalarGoType(scalarNames.get(name) ?? 'string')
    : name.split('.').slice(-2).join('.');
}

function checkScalar(scalar: ScalarName): Checker {
  return (value, walk) => {
    const read = readScalar(scalar, value);
    if ('fault' in read) throw new DecodeError(read.fault);
    if ('mismatch' in read) throw mismatch(read.mismatch, scalarGoType(scalar), walk);
    return read.value;
  };
}

function checkStruct(name: string, properties: Record<string, Schema>, compilePart: CompilePart): Checker {
  const struct = name.slice(name.lastIndexOf('.') + 1);
  const type = goTypeOfName(name);
  const fields = new Map<string, Checker>();
  for (const [key, schema] of Object.entries(properties)) fields.set(key, compilePart(schema).checker);
  return (value, walk) => {
    if (!isObject(value)) throw mismatch(jsonWord(value), type, walk);
    enter(walk);
    const outer = walk.struct;
    walk.struct = struct;
    for (const key of Object.keys(value)) {
      walk.path.push(key);
      checkField(value, key, fields.get(key), walk);
      walk.path.pop();
    }
    walk.struct = outer;
    return value;
  };
}

function checkField(value: JsonObject, key: string, checker: Checker | undefined, walk: Walk): void {
  const before = value[key];
  if (!checker) {
    if (walk.unknownFields.length < unknownFieldsMax) walk.unknownFields.push(pathText(walk.path));
    delete value[key];
  } else if (before === null) {
    delete value[key];
  } else {
    const after = checker(before, walk);
    if (after !== before) value[key] = after;
  }
}

function checkMap({ checker, zero }: Part, type: string): Checker {
  return (value, walk) => {
    if (!isObject(value)) throw mismatch(jsonWord(value), type, walk);
    enter(walk);
    for (const key of Object.keys(value)) {
      refuseKey(key);
      walk.path.push({ key });
      const before = value[key];
      const after = before === null ? copyOf(zero) : checker(before, walk);
      if (after !== before) value[key] = after;
      walk.path.pop();
    }
    return value;
  };
}

function checkList({ checker, zero }: Part, type: string): Checker {
  return (value, walk) => {
    if (!Array.isArray(value)) throw mismatch(jsonWord(value), type, walk);
    enter(walk);
    for (let index = 0; index < value.length; index++) {
      walk.path.push(index);
      value[index] = value[index] === null ? copyOf(zero) : checker(value[index], walk);
      walk.path.pop();
    }
    return value;
  };
}

/** Free-form JSON: only what would hurt the server is refused. */
export function checkAnything(value: unknown, walk: Walk): unknown {
  if (typeof value !== 'object' || value === null) return value;
  enter(walk);
  walk.path.push('');
  if (!Array.isArray(value)) Object.keys(value).forEach(refuseKey);
  for (const inner of Object.values(value)) checkAnything(inner, walk);
  walk.path.pop();
  return value;
}

function enter({ path }: Walk): void {
  if (path.length > depthMax) throw new DecodeError('json: exceeded max depth');
}

/** The one key that assignment treats as something else. Structs drop it as an unknown field. */
function refuseKey(key: string): void {
  if (key === '__proto__') throw new DecodeError('json: key "__proto__" is not allowed');
}

function copyOf(zero: unknown): unknown {
  if (Array.isArray(zero)) return [];
  return isObject(zero) ? {} : zero;
}

type JsonObject = Record<string, unknown>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Go names no indexes and keys here, and struct and path only within a struct. */
function mismatch(word: string, type: string, { path, struct }: Walk): DecodeError {
  const fields = path.filter((part) => typeof part === 'string').join('.');
  const place = struct === '' ? 'value' : `struct field ${struct}.${fields}`;
  return new DecodeError(`json: cannot unmarshal ${word} into Go ${place} of type ${type}`);
}

/** `spec.containers[0].image`. */
function pathText(path: readonly PathPart[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const name = typeof part === 'string' ? part : part.key;
    return text === '' ? name : `${text}.${name}`;
  }, '');
}
