import type { List } from './field-schema.ts';
import { isObject } from './json-value.ts';
import { indexElement, keyElement, valueElement } from './path-element.ts';

/** The items of a list by what tells them apart, in the list's order. Stored lists may hold several of one key. */
export type ItemGroups = ReadonlyMap<string, readonly unknown[]>;

export function groupItems(list: readonly unknown[], schema: List): ItemGroups {
  const groups = new Map<string, unknown[]>();
  list.forEach((item, index) => {
    const element = itemElement(item, schema) ?? indexElement(index);
    const group = groups.get(element);
    if (group) group.push(item);
    else groups.set(element, [item]);
  });
  return groups;
}

/** Undefined when the item has none of the keys. */
export function itemElement(item: unknown, { keys, keyDefaults }: List): string | undefined {
  if (!keys) return valueElement(item);
  if (!isObject(item)) return undefined;
  const found: [string, unknown][] = [];
  for (const key of keys) {
    const value = Object.hasOwn(item, key) ? item[key] : keyDefaults[key];
    if (value !== undefined && value !== null) found.push([key, value]);
  }
  return found.length === 0 ? undefined : keyElement(found);
}
