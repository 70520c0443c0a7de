import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Informer } from '../cache/informer.ts';
import type { ObjectName, Registry } from '../registry/registry.ts';

/**
 * An object as the cache has it, or as the store does where the cache has none: what was created the moment before is
 * found.
 */
export async function findObject<T extends KubernetesObject>(
  { registry, informer }: { registry: Registry; informer: Informer<T> },
  at: ObjectName,
): Promise<Readonly<T> | undefined> {
  return informer.get(at.namespace, at.name) ?? (await readObject(registry, informer.kind, at));
}

async function readObject<T extends KubernetesObject>(
  registry: Registry,
  kind: KindDefinition<T>,
  at: ObjectName,
): Promise<T | undefined> {
  try {
    return await registry.get(kind, at);
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
