import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';

/** A copy of `object` as the registry would store it at creation, without validating it. */
export function admit<T extends KubernetesObject>(kind: KindDefinition<T>, object: T): T {
  const draft = structuredClone(object);
  kind.applyDefaults?.(draft);
  kind.prepareCreate?.(draft, { subresource: '', now: 0 });
  return draft;
}

/** What is wrong with `object`, as `field: message`. */
export function faults<T extends KubernetesObject>(kind: KindDefinition<T>, object: T): string[] {
  return texts(kind.validate?.(admit(kind, object)) ?? []);
}

/** What is wrong with changing a stored `old` by `change`. */
export function updateFaults<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  old: T,
  change: (next: T) => void,
  subresource = '',
): string[] {
  const before = admit(kind, old);
  const next = structuredClone(before);
  change(next);
  kind.applyDefaults?.(next);
  kind.prepareUpdate?.(next, before, { subresource, now: 0 });
  return texts(kind.validateUpdate?.(next, before, subresource) ?? []);
}

/** Cells by column name. */
export function row<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  object: T,
  now = 0,
): Record<string, unknown> {
  return Object.fromEntries(kind.columns.map((column) => [column.name, column.value(object, now)]));
}

function texts(causes: readonly { field: string; message: string }[]): string[] {
  return causes.map(({ field, message }) => `${field}: ${message}`);
}
