import { isJsonObject } from './structural-schema.ts';

/** A compiled JSONPath: all values it finds in an object, in order. */
export type JsonPath = (object: unknown) => unknown[];

export class JsonPathError extends Error {
  readonly code = 'ERR_JSON_PATH';

  constructor(message: string) {
    super(message);
    this.name = 'JsonPathError';
  }
}

type Step = (values: unknown[]) => unknown[];

/**
 * Compiles the JSONPath of printer columns: fields, `['quoted.fields']`, indexes, slices, unions, `*`, `..field`
 * and filters with one comparison, `[?(@.type=="Ready")]`. Throws JsonPathError.
 */
export function compileJsonPath(text: string): JsonPath {
  const steps: Step[] = [];
  const reader = new PathReader(text.replace(/^\$/, ''));
  while (!reader.done) steps.push(readStep(reader));
  return (object) => {
    let values = [object];
    for (const step of steps) values = step(values);
    return values;
  };
}

/** The fields of a path that names one place, `.spec.replicas`; undefined for any other path. */
export function simplePath(text: string): string[] | undefined {
  if (!/^(?:\.(?:[\w-]|\\\.)+|\['[^']+'\])+$/.test(text)) return undefined;
  const parts = text.matchAll(/\.((?:[\w-]|\\\.)+)|\['([^']+)'\]/g);
  return [...parts].map(([, field, quoted]) => (field ?? quoted ?? '').replaceAll('\\.', '.'));
}

class PathReader {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  /** Takes what matches here, if anything does. */
  take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.at;
    const match = sticky.exec(this.text);
    if (!match) return undefined;
    this.at += match[0].length;
    return match;
  }

  fail(): never {
    throw new JsonPathError(`unrecognized character in action: ${JSON.stringify(this.text.slice(this.at))}`);
  }
}

const fieldName = /((?:[\w$-]|\\.)+)/;

function readStep(reader: PathReader): Step {
  if (reader.take(/\.\./)) {
    const name = reader.take(fieldName)?.[1] ?? reader.fail();
    return (values) => values.flatMap((value) => descendants(value, unescaped(name)));
  }
  if (reader.take(/\.?\[/)) return readBracket(reader);
  if (reader.take(/\.\*/)) return each;
  if (reader.take(/\.$/)) return (values) => values;
  reader.take(/\./);
  const name = reader.take(fieldName)?.[1] ?? reader.fail();
  return fieldStep(unescaped(name));
}

function unescaped(name: string): string {
  return name.replaceAll(/\\(.)/g, '$1');
}

function fieldStep(name: string): Step {
  return (values) =>
    values.flatMap((value) => (isJsonObject(value) && Object.hasOwn(value, name) ? [value[name]] : []));
}

function each(values: unknown[]): unknown[] {
  return values.flatMap(childrenOf);
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isJsonObject(value) ? Object.values(value) : [];
}

function descendants(value: unknown, name: string): unknown[] {
  const here = isJsonObject(value) && Object.hasOwn(value, name) ? [value[name]] : [];
  return [...here, ...childrenOf(value).flatMap((child) => descendants(child, name))];
}

function readBracket(reader: PathReader): Step {
  if (reader.take(/\*\]/)) return each;
  if (reader.take(/\?\(/)) return readFilter(reader);
  const quoted = reader.take(/'((?:[^'\\]|\\.)*)'\]|"((?:[^"\\]|\\.)*)"\]/);
  if (quoted) return fieldStep(unescaped(quoted[1] ?? quoted[2] ?? ''));
  const slice = reader.take(/(-?\d+)?:(-?\d+)?\]/);
  if (slice) {
    const [, from, to] = slice.map((part) => (part === undefined ? undefined : Number(part)));
    return (values) => values.flatMap((value) => (Array.isArray(value) ? value.slice(from ?? 0, to) : []));
  }
  const indexes = reader.take(/(-?\d+(?:,-?\d+)*)\]/)?.[1] ?? reader.fail();
  return (values) =>
    indexes.split(',').flatMap((index) => values.flatMap((value) => itemAt(value, Number(index))));
}

function itemAt(value: unknown, index: number): unknown[] {
  if (!Array.isArray(value)) return [];
  const at = index < 0 ? value.length + index : index;
  return at in value ? [value[at] as unknown] : [];
}

function readFilter(reader: PathReader): Step {
  const left = readOperand(reader);
  const operator = reader.take(/\s*(==|!=|<=|>=|<|>)\s*/)?.[1];
  const right = operator === undefined ? undefined : readOperand(reader);
  if (!reader.take(/\s*\)\]/)) reader.fail();
  return (values) =>
    each(values).filter((item) => {
      const [first] = left(item);
      if (!right || operator === undefined) return first !== undefined;
      return compare(first, right(item)[0], operator);
    });
}

function readOperand(reader: PathReader): JsonPath {
  const path = reader.take(/@((?:\.(?:[\w-]|\\.)+|\['[^']*'\])*)/)?.[1];
  if (path !== undefined) return path === '' ? (item) => [item] : compileJsonPath(path);
  const literal = reader.take(/"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(true|false|-?\d+(?:\.\d+)?)/);
  if (!literal) return reader.fail();
  const [, double, single, plain] = literal;
  const value: unknown = plain === undefined ? unescaped(double ?? single ?? '') : JSON.parse(plain);
  return () => [value];
}

function compare(a: unknown, b: unknown, operator: string): boolean {
  if (operator === '==') return a === b;
  if (operator === '!=') return a !== b;
  const ordered =
    (typeof a === 'number' && typeof b === 'number') || (typeof a === 'string' && typeof b === 'string');
  if (!ordered) return false;
  switch (operator) {
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}
