import type { StatusCause } from '../status.ts';
import { invalid, invalidFor, nonNegative } from './cause.ts';
import { percentText } from './name-rules.ts';

/**
 * A count that is not negative, or a percentage of at most 100 (source:
 * k8s.io/kubernetes/pkg/apis/apps/validation).
 */
export function validateIntOrPercent(value: number | string, field: string): StatusCause[] {
  if (typeof value === 'number') return nonNegative(field, value);
  const causes = invalidFor(field, value, percentText(value));
  if (causes.length === 0 && Number.parseInt(value, 10) > 100) {
    causes.push(invalid(field, value, 'must not be greater than 100%'));
  }
  return causes;
}

/** The count that such a value means of `total`; `round` decides what a percentage does with fractions. */
export function resolveIntOrPercent(
  value: number | string,
  total: number,
  round: (value: number) => number,
): number {
  if (typeof value === 'number') return value;
  return value.endsWith('%') ? round((Number.parseInt(value, 10) * total) / 100) : Number.parseInt(value, 10);
}
