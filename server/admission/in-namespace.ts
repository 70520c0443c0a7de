import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Informer } from '../cache/informer.ts';

/** The same index as the controllers have on many kinds. */
const index = 'namespace';

/** Looks up the objects of a namespace in the cache, by name; costs the size of the answer. */
export function inNamespace<T extends KubernetesObject>(
  informer: Informer<T>,
): (namespace: string | undefined) => readonly Readonly<T>[] {
  if (!informer.hasIndex(index)) informer.addIndex(index, ({ metadata }) => [metadata?.namespace ?? '']);
  return (namespace) => {
    if (namespace === undefined) return [];
    const found = informer.byIndex(index, namespace);
    return found.length < 2 ? found : found.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  };
}

function nameOf({ metadata }: Readonly<KubernetesObject>): string {
  return metadata?.name ?? '';
}
