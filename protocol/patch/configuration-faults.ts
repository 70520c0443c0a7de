import type { FieldSchema, List } from './field-schema.ts';
import { itemElement } from './list-items.ts';
import { pathText } from './path-element.ts';
import { partsOf } from './walk-fields.ts';

/** Beyond this the first ones say enough. */
const faultsMax = 20;

/**
 * Why an applied configuration is unclear: items of a list that cannot be told apart. One text each, as Kubernetes
 * words them: `.spec.containers: duplicate entries for key [name="web"]`.
 */
export function configurationFaults(config: unknown, schema: FieldSchema): string[] {
  const faults: string[] = [];
  visit(config, schema, []);
  return faults;

  function visit(value: unknown, rules: FieldSchema, path: readonly string[]): void {
    if (rules.type === 'list' && Array.isArray(value)) {
      const at = pathText(path);
      for (const fault of listFaults(value, rules)) {
        if (faults.length < faultsMax) faults.push(`${at}: ${fault}`);
      }
    }
    const parts = partsOf(value, rules);
    if (parts.type === 'leaf') return;
    for (const part of parts.all) visit(part.value, part.schema, [...path, part.element]);
  }
}

function listFaults(list: readonly unknown[], schema: List): string[] {
  const seen = new Set<string>();
  return list.flatMap((item, index) => {
    const element = itemElement(item, schema);
    if (element === undefined) {
      const keys = schema.keys?.map((key) => JSON.stringify(key)).join(', ') ?? '';
      return [`element ${index}: associative list with keys has an element that omits key field ${keys}`];
    }
    if (seen.has(element)) return [`duplicate entries for key ${pathText([element])}`];
    seen.add(element);
    return [];
  });
}
