import { StatusError } from '../status.ts';
import { badPatch, isObject, type JsonObject } from './json-value.ts';

export interface ListRules {
  /** Tells the objects of the list apart; undefined for scalars. */
  key: string | undefined;
  /** Merges into what bears the same key, or takes the item alone. */
  mergeItem(before: JsonObject | undefined, item: JsonObject): JsonObject;
}

/** Merges a patch's list into the old one: the patch's items in its order, the others where they were around them. */
export function mergeLists(
  before: readonly unknown[],
  patch: readonly unknown[],
  rules: ListRules,
): unknown[] {
  const { key } = rules;
  if (key === undefined) {
    if ([...before, ...patch].some((item) => typeof item === 'object' && item !== null)) {
      throw badPatch('cannot merge lists without merge key');
    }
    return orderList([...new Set([...before, ...patch])], { wanted: patch, server: before, key });
  }
  const { kept, items } = applyItemDirectives(before, patch, key);
  const merged = [...kept];
  for (const item of items) {
    const value = keyOf(item, key);
    const at = merged.findIndex((old) => isObject(old) && old[key] === value);
    const old = merged[at];
    if (isObject(old)) merged[at] = rules.mergeItem(old, item);
    else merged.push(rules.mergeItem(undefined, item));
  }
  return orderList(merged, { wanted: items, server: kept, key });
}

/** `$patch: delete` takes out the item of its key, `$patch: replace` all that were there. */
function applyItemDirectives(
  before: readonly unknown[],
  patch: readonly unknown[],
  key: string,
): { kept: unknown[]; items: JsonObject[] } {
  let kept = [...before];
  let replaces = false;
  const items: JsonObject[] = [];
  for (const item of patch) {
    if (!isObject(item)) throw badPatch(`a list merged by ${key} holds objects`);
    const directive = item['$patch'];
    if (directive === undefined) {
      items.push(item);
    } else if (directive === 'delete') {
      const value = keyOf(item, key);
      kept = kept.filter((old) => !isObject(old) || old[key] !== value);
    } else if (directive === 'replace') {
      replaces = true;
    } else {
      throw badPatch(`unknown patch type: ${JSON.stringify(directive)}`);
    }
  }
  return { kept: replaces ? [] : kept, items };
}

function keyOf(item: JsonObject, key: string): unknown {
  if (Object.hasOwn(item, key)) return item[key];
  throw new StatusError(
    'BadRequest',
    `map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`,
  );
}

export interface ListOrder {
  /** The patch's order; items that are only named here are no content. */
  wanted: readonly unknown[];
  /** The order the server had. */
  server: readonly unknown[];
  key: string | undefined;
}

/**
 * Items that the patch names come in its order. The server's others keep theirs, and an item of theirs comes before
 * one of the patch's only where the server had both in that order.
 */
export function orderList(items: readonly unknown[], { wanted, server, key }: ListOrder): unknown[] {
  const identity = (item: unknown) => (key !== undefined && isObject(item) ? item[key] : item);
  const wantedAt = positions(wanted, identity);
  const serverAt = positions(server, identity);
  const rank = (at: ReadonlyMap<unknown, number>, item: unknown) => at.get(identity(item)) ?? items.length;
  const named = items.filter((item) => wantedAt.has(identity(item)));
  const others = items.filter((item) => !wantedAt.has(identity(item)));
  named.sort((a, b) => rank(wantedAt, a) - rank(wantedAt, b));
  others.sort((a, b) => rank(serverAt, a) - rank(serverAt, b));

  const ordered: unknown[] = [];
  let at = 0;
  for (const item of named) {
    const place = serverAt.get(identity(item)) ?? -1;
    while (at < others.length && rank(serverAt, others[at]) < place) ordered.push(others[at++]);
    ordered.push(item);
  }
  return [...ordered, ...others.slice(at)];
}

function positions(list: readonly unknown[], identity: (item: unknown) => unknown): Map<unknown, number> {
  const at = new Map<unknown, number>();
  list.forEach((item, index) => {
    if (!at.has(identity(item))) at.set(identity(item), index);
  });
  return at;
}
