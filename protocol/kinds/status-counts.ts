import type { StatusCause } from '../status.ts';
import { invalid, nonNegative } from './cause.ts';

type Counts = Readonly<Record<string, unknown>>;

export interface CountRules {
  /** Not negative. */
  fields: readonly string[];
  /** None of these may be greater than the first field of `fields`. */
  parts?: readonly string[];
  /** Who may not be greater than `of`, which refusals call `word`. */
  subset?: { field: string; of: string; word: string };
}

/** Of the kinds that keep a number of equal pods. */
export const replicaCountRules: CountRules = {
  fields: ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
  parts: ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'],
  subset: { field: 'availableReplicas', of: 'readyReplicas', word: 'readyReplicas' },
};

/** What controllers report must hold together (source: k8s.io/kubernetes/pkg/apis/apps/validation). */
export function validateStatusCounts(
  next: object | undefined,
  old: object | undefined,
  { fields, parts = [], subset }: CountRules,
): StatusCause[] {
  const status = (next ?? {}) as Counts;
  const causes = fields.flatMap((field) => nonNegative(`status.${field}`, numberOf(status, field)));
  const [whole = ''] = fields;
  for (const part of parts) {
    if (count(status, part) <= count(status, whole)) continue;
    causes.push(invalid(`status.${part}`, count(status, part), `cannot be greater than status.${whole}`));
  }
  if (subset && count(status, subset.field) > count(status, subset.of)) {
    const detail = `cannot be greater than ${subset.word}`;
    causes.push(invalid(`status.${subset.field}`, status[subset.field], detail));
  }
  const collisions = count(status, 'collisionCount');
  if (collisions < count((old ?? {}) as Counts, 'collisionCount'))
    causes.push(invalid('status.collisionCount', collisions, 'cannot be decremented'));
  return causes;
}

function count(status: Counts, field: string): number {
  return numberOf(status, field) ?? 0;
}

function numberOf(status: Counts, field: string): number | undefined {
  const value = status[field];
  return typeof value === 'number' ? value : undefined;
}
