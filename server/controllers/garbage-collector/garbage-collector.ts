import { forEachLimited } from '../../../lib/for-each-limited.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { eventKind } from '../../../protocol/kinds/event.ts';
import { withoutVersions } from '../../../protocol/kinds/kind-set.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { CacheChange } from '../../cache/informer.ts';
import type { Registry } from '../../registry/registry.ts';
import { defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { addOnce, byOwnerUid } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { setReferences } from '../owner-references.ts';
import {
  DependencyGraph,
  type Found,
  foregroundFinalizer,
  isDeletingDependents,
  isOrphaningDependents,
  isWithin,
  orphanFinalizer,
} from './dependency-graph.ts';

const orphansAtOnce = 16;

/**
 * Deletes what lost all its owners, and carries out the two finalizers of deletion: `foregroundDeletion`
 * (dependents first) and `orphan` (dependents stay and forget their owner). Works by uid, one object a key; what
 * follows for others is queued for them. Decides on what the registry holds now, so that a cache that lags deletes
 * nothing.
 */
export const garbageCollector = defineController({
  name: 'garbage-collector',
  everywhere: true,
  workers: 16,
  setup({ kinds, cache, registry, follow, followKinds }, enqueue) {
    const graph = new DependencyGraph(registry);
    const world: World = { registry, graph, enqueue, emptying: new Set() };
    const watch = (kind: KindDefinition) => {
      // Events end by age, and own nothing.
      if (kind.group === eventKind.group && kind.plural === eventKind.plural) return;
      if (!kind.verbs.includes('watch')) return;
      const informer = cache.informer(kind);
      if (!graph.add(kind, informer)) return;
      addOnce(informer, byOwnerUid);
      follow(informer, (change) => {
        for (const uid of concerned(change)) enqueue(uid);
      });
    };
    for (const kind of kinds) watch(kind);
    followKinds(({ added, removed }) => {
      added.forEach(watch);
      for (const kind of withoutVersions(removed, kinds))
        for (const object of graph.remove(kind)) enqueue(storedMeta(object).uid);
    });
    return async (uid) => {
      const found = graph.find(uid);
      if (!found) {
        world.emptying.delete(uid);
        return enqueueDependents(world, uid);
      }
      if (isOrphaningDependents(found.object)) return orphanDependents(world, found);
      if (isDeletingDependents(found.object)) return deleteDependents(world, found);
      await collect(world, found);
    };
  },
});

interface World {
  registry: Registry;
  graph: DependencyGraph;
  enqueue: (uid: string) => void;
  /** Owners being deleted in the foreground whose dependents have been queued. */
  emptying: Set<string>;
}

/** Uids that a change gives something to do. */
function concerned(change: CacheChange<KubernetesObject>): string[] {
  const { object } = change;
  const { uid, ownerReferences = [] } = storedMeta(object);
  const owners = ownerReferences.map((reference) => reference.uid);
  // What goes sets its own dependents free, and may be the last one its owners wait for.
  if (change.type === 'deleted') return [uid, ...owners];
  const isMarked = isDeletingDependents(object) || isOrphaningDependents(object);
  const before = change.type === 'updated' ? (change.old.metadata?.ownerReferences ?? []) : [];
  if (sameValue(before, ownerReferences)) return isMarked ? [uid] : [];
  return [uid, ...before.map((reference) => reference.uid)];
}

function enqueueDependents({ graph, enqueue }: World, uid: string): void {
  for (const { object } of graph.dependentsOf(uid)) enqueue(storedMeta(object).uid);
}

/** Deletes the object if none of its owners is left, and forgets the owners that are not. */
async function collect(world: World, { kind, object: cached }: Found): Promise<void> {
  if (!(await hasLostOwners(world, cached))) return;
  const object = await readAgain(world, { kind, object: cached });
  if (!object || object.metadata?.deletionTimestamp !== undefined) return;
  const { ownerReferences = [], uid, resourceVersion } = storedMeta(object);
  const owners = await Promise.all(
    ownerReferences.map(async (reference) => ({
      reference,
      state: await world.graph.ownerState(reference, object),
    })),
  );
  const lost = owners.filter(({ state }) => state !== 'present').map(({ reference }) => reference.uid);
  if (lost.length === 0) return;
  const found = { kind, object };
  if (lost.length < owners.length) return dropReferences(world, found, lost);
  const dependents = world.graph.dependentsOf(uid);
  const isForeground = owners.some(({ state }) => state === 'waiting') && dependents.length > 0;
  const isCircle = isForeground && dependents.some((dependent) => isDeletingDependents(dependent.object));
  if (isCircle) await unblockOwners(world, found);
  const propagationPolicy = isForeground ? 'Foreground' : policyOf(object);
  const preconditions = isCircle ? { uid } : { uid, resourceVersion };
  await world.registry
    .delete(kind, nameOf(object), { preconditions, propagationPolicy })
    .catch((error: unknown) => {
      // On a Conflict the object changed since it was read: look again.
      if (!isStatus(error, 'NotFound')) throw error;
    });
}

/** Whether there is anything to do, by what the cache says of the object; spares a read for nearly all. */
async function hasLostOwners({ graph }: World, object: Readonly<KubernetesObject>): Promise<boolean> {
  if (object.metadata?.deletionTimestamp !== undefined) return false;
  for (const reference of object.metadata?.ownerReferences ?? []) {
    if ((await graph.ownerState(reference, object)) !== 'present') return true;
  }
  return false;
}

/** The object as it is now, if it is still this one. */
async function readAgain(
  { registry }: World,
  { kind, object }: Found,
): Promise<KubernetesObject | undefined> {
  const latest = await registry.get(kind, nameOf(object)).catch(ignoreGone);
  return latest?.metadata?.uid === object.metadata?.uid ? latest : undefined;
}

/** A wish that was expressed on the object itself stays. */
function policyOf({ metadata }: Readonly<KubernetesObject>): 'Orphan' | 'Foreground' | 'Background' {
  if (metadata?.finalizers?.includes(orphanFinalizer)) return 'Orphan';
  return metadata?.finalizers?.includes(foregroundFinalizer) ? 'Foreground' : 'Background';
}

/**
 * Foreground: dependents go first; the owner follows when none is left that blocks it. They are queued once; one that comes later
 * is queued by its own change. So each that goes costs a look for one that is left, not a look at all.
 */
async function deleteDependents(world: World, owner: Found): Promise<void> {
  const { uid } = storedMeta(owner.object);
  if (!world.emptying.has(uid)) {
    world.emptying.add(uid);
    for (const { object } of world.graph.dependentsOf(uid)) {
      if (isWithin(owner, object) && object.metadata?.deletionTimestamp === undefined)
        world.enqueue(storedMeta(object).uid);
    }
  }
  for (const { object } of world.graph.eachDependentOf(uid)) {
    const references = object.metadata?.ownerReferences ?? [];
    const isBlocking = references.some((one) => one.uid === uid && one.blockOwnerDeletion === true);
    if (isBlocking && isWithin(owner, object)) return;
  }
  await dropFinalizer(world, owner, foregroundFinalizer);
}

/**
 * The dependents are read from the registry: one that the cache does not show yet would keep its reference to an owner
 * that is gone, and be deleted for it.
 */
async function orphanDependents(world: World, owner: Found): Promise<void> {
  const { uid, namespace } = storedMeta(owner.object);
  const within = namespace === undefined ? {} : { namespace };
  for (const kind of world.graph.kinds) {
    if (owner.kind.namespaced && !kind.namespaced) continue;
    const dependents = await dependentsNow(world, { kind, uid, within });
    await forEachLimited(dependents, orphansAtOnce, (object) =>
      dropReferences(world, { kind, object }, [uid]),
    );
  }
  await dropFinalizer(world, owner, orphanFinalizer);
}

/** Of a server that is away, what was last seen of it: an owner here need not wait for it to come back. */
async function dependentsNow(
  { registry, graph }: World,
  { kind, uid, within }: { kind: KindDefinition; uid: string; within: { namespace?: string } },
): Promise<readonly Readonly<KubernetesObject>[]> {
  try {
    const { items } = await registry.list(kind, within);
    return items.filter(({ metadata }) =>
      metadata?.ownerReferences?.some((reference) => reference.uid === uid),
    );
  } catch (error) {
    if (!isStatus(error, 'ServiceUnavailable')) throw error;
    const seen = graph.dependentsOf(uid).filter((found) => found.kind === kind);
    return seen.map(({ object }) => object);
  }
}

async function dropReferences(
  { registry }: World,
  { kind, object }: Found,
  uids: readonly string[],
): Promise<void> {
  await registry
    .mutate(kind, nameOf(object), (draft) => {
      const references = draft.metadata?.ownerReferences ?? [];
      setReferences(
        draft,
        references.filter((reference) => !uids.includes(reference.uid)),
      );
    })
    .catch(ignoreGone);
}

/** In a circle of owners each would wait for the others; one that lets go ends it. */
async function unblockOwners({ registry }: World, { kind, object }: Found): Promise<void> {
  await registry
    .mutate(kind, nameOf(object), (draft) => {
      for (const reference of draft.metadata?.ownerReferences ?? []) reference.blockOwnerDeletion = false;
    })
    .catch(ignoreGone);
}

async function dropFinalizer({ registry }: World, { kind, object }: Found, finalizer: string): Promise<void> {
  const { uid } = storedMeta(object);
  await registry
    .mutate(kind, nameOf(object), (draft) => {
      const meta = storedMeta(draft);
      if (meta.uid === uid) meta.finalizers = (meta.finalizers ?? []).filter((name) => name !== finalizer);
    })
    .catch(ignoreGone);
}
