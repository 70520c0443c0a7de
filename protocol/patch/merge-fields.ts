import type { FieldSchema, List } from './field-schema.ts';
import { isObject } from './json-value.ts';
import { groupItems, type ItemGroups } from './list-items.ts';
import { fieldElement } from './path-element.ts';
import { innerSchema } from './walk-fields.ts';

/**
 * `live` with what `config` sets: objects and lists that are owned by their parts merge, anything else is replaced. Parts
 * of both are shared with the result.
 */
export function mergeFields(live: unknown, config: unknown, schema: FieldSchema): unknown {
  if (config === undefined) return live;
  if (live === undefined || schema.type === 'leaf') return config;
  if (schema.type === 'list')
    return Array.isArray(live) && Array.isArray(config) ? mergeItems(live, config, schema) : config;
  if (!isObject(live) || !isObject(config)) return config;
  const merged: Record<string, unknown> = { ...live };
  for (const name in config) {
    const inner = innerSchema(schema, fieldElement(name));
    merged[name] = mergeFields(Object.hasOwn(live, name) ? live[name] : undefined, config[name], inner);
  }
  return merged;
}

/** Of stored items that bear the same key, one that is applied takes the place of all. */
function mergeItems(live: readonly unknown[], config: readonly unknown[], schema: List): unknown[] {
  const before = groupItems(live, schema);
  const wanted = groupItems(config, schema);
  return orderElements(before, wanted).flatMap((element) => {
    const old = before.get(element) ?? [];
    const next = wanted.get(element);
    if (!next) return old;
    return [mergeFields(old.length === 1 ? old[0] : undefined, next[0], schema.items())];
  });
}

/**
 * The applied items come in the applier's order, and so do others as far as possible: an item that only the live
 * list has keeps its place before the next one that both have.
 */
function orderElements(live: ItemGroups, config: ItemGroups): string[] {
  const ordered: string[] = [];
  const old = [...live.keys()];
  const shared = [...config.keys()].filter((element) => live.has(element));
  let at = 0;
  const passOld = (until: string | undefined) => {
    for (; at < old.length; at += 1) {
      const element = old[at] ?? '';
      if (element === until) return;
      if (!config.has(element)) ordered.push(element);
    }
  };
  for (const element of config.keys()) {
    passOld(shared[0]);
    ordered.push(element);
    if (element === shared[0]) {
      shared.shift();
      if (old[at] === element) at += 1;
    }
  }
  passOld(undefined);
  return ordered;
}
