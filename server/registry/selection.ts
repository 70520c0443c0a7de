import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { parseFieldSelector, parseLabelSelector } from '../../protocol/selectors.ts';
import { badRequest } from './failures.ts';
import { keyOf, prefixOf } from './keys.ts';
import type { Selection } from './registry.ts';

/** What a list or watch is asked for: where to look, and what to keep of what is found there. */
export interface CompiledSelection<T> {
  readonly prefix: string;
  /** Set when only one object can match; its key is then the prefix too. */
  readonly exactKey: string | undefined;
  /** Absent when everything under the prefix matches. */
  readonly matches: ((object: Readonly<T>) => boolean) | undefined;
}

type FieldReader<T> = (object: Readonly<T>) => string;

export function compileSelection<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  { namespace, labelSelector, fieldSelector }: Selection,
): CompiledSelection<T> {
  const matchesLabels = labelSelector ? parseLabelSelector(labelSelector) : undefined;
  const fields = (fieldSelector ? parseFieldSelector(fieldSelector) : []).map((requirement) => ({
    ...requirement,
    read: fieldReader(kind, requirement.field),
  }));
  const name = fields.find(({ field, operator }) => field === 'metadata.name' && operator === '=')?.value;
  const within =
    namespace ||
    fields.find(({ field, operator }) => field === 'metadata.namespace' && operator === '=')?.value;
  const exact = name && (within || !kind.namespaced);
  const prefix = exact ? keyOf(kind, { name, namespace: within ?? '' }) : prefixOf(kind, within);
  return {
    prefix,
    exactKey: exact ? prefix : undefined,
    matches: matchesLabels || fields.length > 0 ? matches : undefined,
  };

  function matches(object: Readonly<T>): boolean {
    if (matchesLabels && !matchesLabels(object.metadata?.labels ?? {})) return false;
    return fields.every(({ read, operator, value }) => (read(object) === value) === (operator === '='));
  }
}

function fieldReader<T extends KubernetesObject>(kind: KindDefinition<T>, field: string): FieldReader<T> {
  if (field === 'metadata.name') return (object) => object.metadata?.name ?? '';
  if (field === 'metadata.namespace' && kind.namespaced) return (object) => object.metadata?.namespace ?? '';
  const read = Object.hasOwn(kind.selectableFields, field) ? kind.selectableFields[field] : undefined;
  if (!read) throw badRequest(`field label not supported: ${field}`);
  return read;
}
