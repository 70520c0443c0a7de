import { isObject, refuseHostileValue } from './json-value.ts';

/**
 * A JSON merge patch (RFC 7386): objects merge field by field, null removes, anything else replaces. `current`
 * stays as it is. Throws StatusError BadRequest on a hostile patch.
 */
export function applyMergePatch(current: unknown, patch: unknown): unknown {
  refuseHostileValue(patch);
  return merge(current, structuredClone(patch));
}

function merge(current: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const merged = isObject(current) ? { ...current } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = merge(Object.hasOwn(merged, key) ? merged[key] : undefined, value);
  }
  return merged;
}
