import type { Environment } from '@marcbachmann/cel-js';
import { sameValue } from '../kinds/cause.ts';

/** Kubernetes' list functions. */
export function registerListLibrary(environment: Environment): void {
  environment
    .registerFunction('list.isSorted(): bool', (list: Sortable[]) =>
      list.every((item, index) => index === 0 || (list[index - 1] ?? item) <= item),
    )
    .registerFunction('list.sum(): dyn', (list: Sortable[]) => sum(list))
    .registerFunction('list.min(): dyn', (list: Sortable[]) => extreme(list, 'min', (a, b) => a < b))
    .registerFunction('list.max(): dyn', (list: Sortable[]) => extreme(list, 'max', (a, b) => a > b))
    .registerFunction('list.indexOf(dyn): int', (list: unknown[], value: unknown) =>
      BigInt(list.findIndex((item) => sameCelValue(item, value))),
    )
    .registerFunction('list.lastIndexOf(dyn): int', (list: unknown[], value: unknown) =>
      BigInt(list.findLastIndex((item) => sameCelValue(item, value))),
    )
    .registerFunction('list.distinct(): list', (list: unknown[]) =>
      list.filter((item, index) => list.findIndex((other) => sameCelValue(other, item)) === index),
    );
}

type Sortable = bigint | number | string;

function sum(list: readonly Sortable[]): bigint | number {
  if (list.some((item) => typeof item === 'number'))
    return list.reduce<number>((all, item) => all + Number(item), 0);
  return list.reduce<bigint>((all, item) => all + BigInt(item), 0n);
}

function extreme(
  list: readonly Sortable[],
  name: string,
  better: (a: Sortable, b: Sortable) => boolean,
): Sortable {
  const [first, ...rest] = list;
  if (first === undefined) throw new RangeError(`${name} called on empty list`);
  return rest.reduce((best, item) => (better(item, best) ? item : best), first);
}

function sameCelValue(a: unknown, b: unknown): boolean {
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  return sameValue(a, b);
}
