import { StatusError } from '../status.ts';

export type JsonObject = Record<string, unknown>;

/** Deeper than any object of the API. */
const depthMax = 128;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Refuses (BadRequest) what no patch needs and what would hurt: the key that assignment takes for a prototype, and
 * nesting that would exhaust the stack.
 */
export function refuseHostileValue(value: unknown, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > depthMax) throw badPatch('json: exceeded max depth');
  if (!Array.isArray(value) && Object.hasOwn(value, '__proto__')) {
    throw badPatch('key "__proto__" is not allowed');
  }
  for (const inner of Object.values(value)) refuseHostileValue(inner, depth + 1);
}

export function badPatch(why: string): StatusError {
  return new StatusError('BadRequest', `error decoding patch: ${why}`);
}
