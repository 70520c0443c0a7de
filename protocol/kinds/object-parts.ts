import type { KubernetesObject, PrepareContext } from './define-kind.ts';

interface Parts extends KubernetesObject {
  spec?: unknown;
  status?: unknown;
}

/** Puts the old value of a field back, in place; the value itself is shared with `old`. */
export function keepField<T extends object>(next: T, old: T, field: keyof T): void {
  if (old[field] === undefined) delete next[field];
  else next[field] = old[field];
}

/** A write of the object leaves its status as it is, a write of the status leaves the rest of it. */
export function separateStatus<T extends Parts>(next: T, old: T, { subresource }: PrepareContext): void {
  if (subresource === 'status') keepField<Parts>(next, old, 'spec');
  else keepField<Parts>(next, old, 'status');
}
