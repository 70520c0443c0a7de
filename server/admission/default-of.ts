import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Informer } from '../cache/informer.ts';

/** Of those with one of these annotations set to true the newest, as Kubernetes chooses among several defaults. */
export function newestMarked<T extends KubernetesObject>(
  informer: Informer<T>,
  annotations: readonly string[],
): Readonly<T> | undefined {
  let newest: Readonly<T> | undefined;
  for (const each of informer.list()) {
    const isMarked = annotations.some((name) => each.metadata?.annotations?.[name] === 'true');
    if (isMarked && (!newest || isBefore(newest, each))) newest = each;
  }
  return newest;
}

function isBefore(one: Readonly<KubernetesObject>, other: Readonly<KubernetesObject>): boolean {
  const [a, b] = [one.metadata ?? {}, other.metadata ?? {}];
  if (a.creationTimestamp !== b.creationTimestamp)
    return (a.creationTimestamp ?? '') < (b.creationTimestamp ?? '');
  return (b.name ?? '') < (a.name ?? '');
}
