import { sameValue } from '../kinds/cause.ts';
import { limits } from '../limits.ts';
import { StatusError } from '../status.ts';
import { badPatch, isObject, refuseHostileValue } from './json-value.ts';

/** As kube-apiserver. */
const operationsMax = 10_000;

/**
 * A JSON patch (RFC 6902): all of its operations in order, or none. `current` stays as it is.
 * Throws StatusError BadRequest for what is no JSON patch, RequestEntityTooLarge for one that is out of bounds, and
 * Invalid for an operation that does not apply, a failed test among them.
 */
export function applyJsonPatch(current: unknown, patch: unknown): unknown {
  const operations = parsePatch(patch);
  const document: Container = { root: structuredClone(current) };
  let copiedBytes = 0;
  for (const operation of operations) {
    if (operation.op === 'copy') copiedBytes += copySize(document, operation);
    if (copiedBytes > limits.requestBytesMax) throw tooMuchCopied(copiedBytes);
    applyOperation(document, operation);
  }
  return document.root;
}

type Operation =
  | { op: 'add' | 'replace' | 'test'; path: Pointer; value: unknown }
  | { op: 'remove'; path: Pointer }
  | { op: 'move' | 'copy'; path: Pointer; from: Pointer };

interface Pointer {
  text: string;
  /** From the container down: a leading `root`, so that the whole document has a parent, too. */
  parts: string[];
}

interface Container {
  root: unknown;
}

function parsePatch(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) throw badPatch('a JSON patch is an array of operations');
  if (patch.length > operationsMax) {
    throw new StatusError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${operationsMax}, got ${patch.length}`,
    );
  }
  refuseHostileValue(patch);
  return patch.map(parseOperation);
}

function parseOperation(value: unknown): Operation {
  if (!isObject(value)) throw badPatch('an operation is an object');
  const { op } = value;
  const path = parsePointer(value['path'], 'path');
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (!('value' in value)) throw badPatch(`operation ${op} at "${path.text}" has no value`);
      return { op, path, value: value['value'] };
    case 'remove':
      return { op, path };
    case 'move':
    case 'copy':
      return { op, path, from: parsePointer(value['from'], 'from') };
    default:
      throw badPatch(`Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`);
  }
}

function parsePointer(text: unknown, member: string): Pointer {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/')) || /~(?![01])/.test(text)) {
    throw badPatch(`"${member}" must be a JSON pointer`);
  }
  const parts = text.split('/').map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (parts.includes('__proto__')) throw badPatch('key "__proto__" is not allowed');
  return { text, parts: ['root', ...parts.slice(1)] };
}

function applyOperation(document: Container, operation: Operation): void {
  const { op, path } = operation;
  switch (op) {
    case 'add':
      return add(document, path, structuredClone(operation.value), op);
    case 'remove':
      return remove(document, path, op);
    case 'replace':
      if (read(document, path) === undefined) throw missing(op, path);
      return set(document, path, structuredClone(operation.value));
    case 'move': {
      const { from } = operation;
      if (`${path.text}/`.startsWith(`${from.text}/`) && path.text !== from.text) {
        throw refused(path, `move operation does not apply: "${from.text}" contains "${path.text}"`);
      }
      const value = read(document, from);
      if (value === undefined) throw missing(op, from);
      remove(document, from, op);
      return add(document, path, value, op);
    }
    case 'copy': {
      const value = read(document, operation.from);
      if (value === undefined) throw missing(op, operation.from);
      return add(document, path, structuredClone(value), op);
    }
    case 'test':
      // As Kubernetes: what is absent counts as null.
      if (sameValue(read(document, path) ?? null, operation.value)) return undefined;
      throw refused(path, `testing value ${path.text} failed: test failed`);
    default:
      return operation satisfies never;
  }
}

/** Undefined where the path leads nowhere. */
function read(document: Container, { parts }: Pointer): unknown {
  return parts.reduce<unknown>(childOf, document);
}

function childOf(parent: unknown, part: string): unknown {
  if (Array.isArray(parent)) return isIndex(part) ? (parent[Number(part)] as unknown) : undefined;
  return isObject(parent) && Object.hasOwn(parent, part) ? parent[part] : undefined;
}

function isIndex(part: string): boolean {
  return /^(?:0|[1-9]\d{0,8})$/.test(part);
}

function parentOf(document: Container, { text, parts }: Pointer): { parent: unknown; last: string } {
  return { parent: read(document, { text, parts: parts.slice(0, -1) }), last: parts.at(-1) ?? '' };
}

function add(document: Container, path: Pointer, value: unknown, op: string): void {
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : Number(isIndex(last) ? last : Number.NaN);
    if (!(index <= parent.length)) {
      throw refused(
        path,
        `${op} operation does not apply: doc is missing path: "${path.text}": invalid index referenced`,
      );
    }
    parent.splice(index, 0, value);
  } else if (isObject(parent)) {
    parent[last] = value;
  } else {
    throw missing(op, path);
  }
}

function remove(document: Container, path: Pointer, op: string): void {
  const { parent, last } = parentOf(document, path);
  if (childOf(parent, last) === undefined) throw missing(op, path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete (parent as Record<string, unknown>)[last];
}

/** Replaces what is known to be there. */
function set(document: Container, path: Pointer, value: unknown): void {
  const { parent, last } = parentOf(document, path);
  if (Array.isArray(parent)) parent[Number(last)] = value;
  else (parent as Record<string, unknown>)[last] = value;
}

function missing(op: string, path: Pointer): StatusError {
  return refused(path, `${op} operation does not apply: doc is missing path: "${path.text}": missing value`);
}

/** Kubernetes says no more than the message; the cause says which operation it was. */
function refused({ text }: Pointer, why: string): StatusError {
  return new StatusError('Invalid', 'the server rejected our request due to an error in our request', {
    details: { causes: [{ reason: 'FieldValueInvalid', field: text, message: why }] },
  });
}

/** Copies of copies double a document with every operation. */
function copySize(document: Container, { from }: { from: Pointer }): number {
  return JSON.stringify(read(document, from) ?? null).length;
}

function tooMuchCopied(bytes: number): StatusError {
  return new StatusError(
    'RequestEntityTooLarge',
    `Unable to complete the copy, the accumulated size increase of copy is ${bytes}, exceeding the limit ${limits.requestBytesMax}`,
  );
}
