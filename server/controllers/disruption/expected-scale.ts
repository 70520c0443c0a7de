import type {
  KindDefinition,
  KubernetesObject,
  OwnerReference,
} from '../../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../../protocol/kinds/kind-set.ts';
import { controllerOf } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Registry } from '../../registry/registry.ts';
import type { Tally } from './budget-tallies.ts';
import type { BudgetFacts } from './plan.ts';

/** How many pods the controllers of the counted ones want together: a Deployment is asked rather than its ReplicaSets. */
export async function expectedScale(
  { registry, kinds }: { registry: Registry; kinds: KindSet },
  namespace: string,
  tally: Tally,
): Promise<BudgetFacts['scale']> {
  const counted = new Map<string, number>();
  const { unmanaged } = tally;
  for (const { reference, pod } of tally.owners()) {
    const found = await findScale({ registry, kinds }, namespace, reference);
    if (!found) return { failure: `found no controllers for pod ${JSON.stringify(pod)}` };
    if ('failure' in found) return found;
    counted.set(found.uid, found.replicas);
  }
  const expected = [...counted.values()].reduce((sum, replicas) => sum + replicas, 0);
  return { expected, unmanaged };
}

type Found = { uid: string; replicas: number } | { failure: string };

async function findScale(
  parts: { registry: Registry; kinds: KindSet },
  namespace: string,
  reference: OwnerReference,
): Promise<Found | undefined> {
  const kind = kindOf(parts.kinds, reference);
  if (!kind) return { failure: `no kind ${JSON.stringify(reference.kind)} in ${reference.apiVersion}` };
  if (!kind.scale) {
    const resource = kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
    return { failure: `${resource} does not implement the scale subresource` };
  }
  const object = await read(parts.registry, kind, { namespace, reference });
  if (!object) return undefined;
  const above = controllerOf(object);
  // What scales a ReplicaSet is its Deployment; anything else stands for itself.
  const higher =
    above && kindOf(parts.kinds, above)?.scale ? await findScale(parts, namespace, above) : undefined;
  return higher ?? { uid: reference.uid, replicas: kind.scale.replicas(object) };
}

function kindOf(kinds: KindSet, { apiVersion, kind }: OwnerReference): KindDefinition | undefined {
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  for (const known of kinds) if (known.group === group && known.kind === kind) return known;
  return undefined;
}

async function read(
  registry: Registry,
  kind: KindDefinition,
  { namespace, reference }: { namespace: string; reference: OwnerReference },
): Promise<KubernetesObject | undefined> {
  try {
    const object = await registry.get(kind, { namespace, name: reference.name });
    return object.metadata?.uid === reference.uid ? object : undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
