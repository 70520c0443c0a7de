import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Entry, Guard, Operation } from '../store/store.ts';
import type { RegistryContext } from './context.ts';

/**
 * Gives out to objects of one kind what only one of them may hold at a time: addresses, ports. Each such thing is a
 * claim, a key of the store that is put and deleted in the same transaction as the object that holds it. So nothing is
 * ever held twice, leaked or lost, whoever races and whenever the server dies
 * (docs/decisions/0171-claims-in-the-objects-transaction.md).
 */
export interface Allocator<T extends KubernetesObject = KubernetesObject> {
  kind: KindDefinition<T>;
  /** What the object holds, e.g. `addresses/10.96.0.1`; the same for the same object. */
  claimsOf(object: Readonly<T>): readonly string[];
  /**
   * Fills into `next`, in place, what it wants and nobody chose. Throws a StatusError when something chosen is not to
   * be had. It may be called again with a fresh copy when another write took what was picked.
   */
  allocate(
    next: T,
    old: Readonly<T> | undefined,
    isTaken: (claim: string) => Promise<boolean>,
  ): Promise<void>;
}

/** Guards and operations that a transaction on the object needs beside its own. */
export interface ClaimChanges {
  guards: Guard[];
  operations: Operation[];
}

type Described = Pick<KindDefinition, 'group' | 'plural'>;

export function keyOfKind({ group, plural }: Described): string {
  return `${group}/${plural}`;
}

/** Undefined for the many kinds that hold nothing of the sort. */
function allocatorOf<T extends KubernetesObject>(
  { allocators }: RegistryContext,
  kind: KindDefinition<T>,
): Allocator<T> | undefined {
  return allocators.get(keyOfKind(kind)) as Allocator<T> | undefined;
}

export function isAllocated({ allocators }: RegistryContext, kind: Described): boolean {
  return allocators.has(keyOfKind(kind));
}

/** Fills in, in place, what the object is to be given. */
export async function allocate<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { next, old }: { next: T; old: Readonly<T> | undefined },
): Promise<void> {
  const allocator = allocatorOf(context, kind);
  if (!allocator) return;
  const own = new Set(old ? allocator.claimsOf(old) : []);
  await allocator.allocate(next, old, async (claim) => {
    return !own.has(claim) && (await context.store.get(claimKey(claim))) !== undefined;
  });
}

/** What changes hands when `old` becomes `next`; either is absent for an object that comes or goes. */
export async function claimChanges<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { next, old }: { next?: Readonly<T> | undefined; old?: Readonly<T> | undefined },
): Promise<ClaimChanges> {
  const changes: ClaimChanges = { guards: [], operations: [] };
  const allocator = allocatorOf(context, kind);
  if (!allocator) return changes;
  const before = new Set(old ? allocator.claimsOf(old) : []);
  const after = new Set(next ? allocator.claimsOf(next) : []);
  for (const claim of after.difference(before)) {
    const key = claimKey(claim);
    changes.guards.push({ key, revision: 0 });
    changes.operations.push({ type: 'put', key, value: Buffer.from(holderOf(next)) });
  }
  for (const claim of before.difference(after)) {
    const entry = await context.store.get(claimKey(claim));
    if (!entry || textOf(entry) !== holderOf(old)) continue;
    changes.guards.push({ key: entry.key, revision: entry.revision });
    changes.operations.push({ type: 'delete', key: entry.key });
  }
  return changes;
}

/** Removes an object and what it holds. Fails as the store does when either changed meanwhile. */
export async function removeEntry<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { entry, old }: { entry: Entry; old: Readonly<T> },
): Promise<void> {
  const { guards, operations } = await claimChanges(context, kind, { old });
  const { key, revision } = entry;
  if (operations.length === 0) await context.store.delete(key, revision);
  else await context.store.txn([{ key, revision }, ...guards], [{ type: 'delete', key }, ...operations]);
}

function claimKey(claim: string): string {
  return `/claims/${claim}`;
}

function holderOf(object: Readonly<KubernetesObject> | undefined): string {
  return object?.metadata?.uid ?? '';
}

function textOf({ value }: Entry): string {
  return Buffer.from(value).toString('utf8');
}
