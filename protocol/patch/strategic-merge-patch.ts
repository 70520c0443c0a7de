import { schemas } from '../schema/schemas.ts';
import { badPatch, isObject, type JsonObject, refuseHostileValue } from './json-value.ts';
import { mergeLists, orderList } from './merge-lists.ts';
import { type FieldRule, type PatchSchema, patchSchema } from './patch-schema.ts';

const orderPrefix = '$setElementOrder/';
const deletePrefix = '$deleteFromPrimitiveList/';

/**
 * A strategic merge patch: a merge patch that merges lists, too, by the merge keys of the schema, and that knows the
 * directives `$patch`, `$retainKeys`, `$setElementOrder/<list>` and `$deleteFromPrimitiveList/<list>`
 * (source: k8s.io/apimachinery/pkg/util/strategicpatch). `current` stays as it is; `schema` is its schema's name.
 * Throws StatusError BadRequest for a patch that makes no sense.
 */
export function applyStrategicMergePatch(current: unknown, patch: unknown, schema: string): unknown {
  if (!isObject(patch)) throw badPatch('a strategic merge patch is an object');
  refuseHostileValue(patch);
  return mergeObject(isObject(current) ? current : {}, structuredClone(patch), patchSchema(schemas, schema));
}

function mergeObject(current: JsonObject, patch: JsonObject, schema: PatchSchema): JsonObject {
  const { $patch: directive, $retainKeys: retained, ...fields } = patch;
  if (directive === 'replace') return withoutDirectives(fields);
  if (directive === 'delete') return {};
  if (directive !== undefined) {
    throw badPatch(`unknown patch type: ${JSON.stringify(directive)}`);
  }
  const merged = retained === undefined ? { ...current } : retainKeys(current, fields, retained);
  const given = Object.entries(fields);
  const ordered = new Set<string>();
  for (const [key, order] of given) {
    if (!key.startsWith(orderPrefix)) continue;
    const field = key.slice(orderPrefix.length);
    ordered.add(field);
    mergeOrdered(merged, field, { patch: fields[field], order, rule: schema(field) });
  }
  for (const [key, value] of given) {
    if (key.startsWith(orderPrefix) || ordered.has(key)) continue;
    if (key.startsWith(deletePrefix)) {
      const field = key.slice(deletePrefix.length);
      const list = merged[field];
      const gone = listOf(value, key);
      if (Array.isArray(list)) merged[field] = list.filter((item) => !gone.includes(item));
    } else {
      mergeField(merged, key, value, schema(key));
    }
  }
  return merged;
}

function mergeField(merged: JsonObject, key: string, value: unknown, rule: FieldRule): void {
  const before = Object.hasOwn(merged, key) ? merged[key] : undefined;
  if (value === null) {
    delete merged[key];
  } else if (isObject(value)) {
    if (isObject(before)) merged[key] = mergeObject(before, value, rule.inner);
    else if (value['$patch'] !== 'delete') merged[key] = withoutDirectives(value);
  } else if (Array.isArray(value) && Array.isArray(before) && rule.merges) {
    merged[key] = mergeLists(before, value, { key: rule.mergeKey, mergeItem: mergeItem(rule) });
  } else {
    merged[key] = stripped(value);
  }
}

/** A list whose order the patch gives, whether or not it changes what is in it. */
function mergeOrdered(
  merged: JsonObject,
  field: string,
  { patch, order, rule }: { patch: unknown; order: unknown; rule: FieldRule },
): void {
  const wanted = listOf(order, orderPrefix + field);
  if (patch !== undefined && patch !== null && !Array.isArray(patch)) {
    throw badPatch(`${field} must be a list beside ${orderPrefix}${field}`);
  }
  const before = Array.isArray(merged[field]) ? merged[field] : [];
  if (patch === null) delete merged[field];
  if (patch === null || (patch === undefined && before.length === 0)) return;
  const after = mergeLists(before, patch ?? [], { key: rule.mergeKey, mergeItem: mergeItem(rule) });
  merged[field] = orderList(after, { wanted, server: before, key: rule.mergeKey });
}

function mergeItem({ inner }: FieldRule): (before: JsonObject | undefined, item: JsonObject) => JsonObject {
  return (before, item) => (before ? mergeObject(before, item, inner) : withoutDirectives(item));
}

/** Of a union, the other members go when the patch sets one of them. */
function retainKeys(current: JsonObject, fields: JsonObject, retained: unknown): JsonObject {
  const keys = listOf(retained, '$retainKeys');
  const stray = Object.entries(fields).some(
    ([key, value]) => value !== null && !key.startsWith('$') && !keys.includes(key),
  );
  if (stray) throw badPatch('the $retainKeys list must contain all fields present in the patch');
  return Object.fromEntries(Object.entries(current).filter(([key]) => keys.includes(key)));
}

function listOf(value: unknown, directive: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw badPatch(`${directive} must be a list`);
}

/** A value that meets nothing to merge with: taken as it is, but directives are not content. */
function stripped(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !isObject(item) || item['$patch'] === undefined).map(stripped);
  }
  return isObject(value) ? withoutDirectives(value) : value;
}

function withoutDirectives(value: JsonObject): JsonObject {
  const kept = Object.entries(value).filter(
    ([key, inner]) =>
      inner !== null &&
      key !== '$patch' &&
      key !== '$retainKeys' &&
      !key.startsWith(orderPrefix) &&
      !key.startsWith(deletePrefix),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, stripped(inner)]));
}
