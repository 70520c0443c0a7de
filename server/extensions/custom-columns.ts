import type { CustomResourceColumnDefinition } from '../../protocol/generated/models.ts';
import { ageSince } from '../../protocol/human-duration.ts';
import { ageColumn, nameColumn } from '../../protocol/kinds/columns.ts';
import type { Column, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { compileJsonPath } from '../../protocol/structural/json-path.ts';

type Cell = string | number | boolean | null;

/** The columns of a custom kind: the name, then those of its definition, or the age where it has none. */
export function customColumns(
  definitions: readonly CustomResourceColumnDefinition[] | undefined,
): readonly Column<KubernetesObject>[] {
  if (!definitions || definitions.length === 0) return [nameColumn, ageColumn];
  return [nameColumn, ...definitions.map(customColumn)];
}

function customColumn(definition: CustomResourceColumnDefinition): Column<KubernetesObject> {
  const { name, type, format, description, priority, jsonPath } = definition;
  const find = compileJsonPath(jsonPath);
  return {
    name,
    type: type as Column<KubernetesObject>['type'],
    ...(format === undefined ? {} : { format }),
    description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    priority: priority ?? 0,
    value(object, now) {
      const found = find(object);
      if (found.length === 0) return null;
      return type === 'string' ? found.map(shown).join(' ') : cellOf(found[0], type, now);
    },
  };
}

/** Null for a value of another type than the column's. */
function cellOf(value: unknown, type: string, now: number): Cell {
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return null;
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : ageSince(value, now);
    default:
      return null;
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
