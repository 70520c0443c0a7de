import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
  type OwnerReference,
} from '../../protocol/kinds/define-kind.ts';
import { eventKind } from '../../protocol/kinds/event.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Informer } from '../cache/informer.ts';
import { type ControllerContext, defineController } from './define-controller.ts';
import { ignoreGone } from './ignore-gone.ts';
import { addOnce, byOwnerUid } from './indexes.ts';

const foregroundFinalizer = 'foregroundDeletion';
const orphanFinalizer = 'orphan';

/**
 * Deletes what lost all its owners, and carries out the two finalizers of deletion: `foregroundDeletion` (dependents first) and
 * `orphan` (dependents stay and forget their owner). Works by uid; an owner is believed gone only when the
 * registry itself says so, never because a cache has not seen it yet.
 */
export const garbageCollector = defineController({
  name: 'garbage-collector',
  workers: 8,
  setup(context, enqueue) {
    // Events come and go by themselves and own nothing.
    const collected = context.kinds.filter((kind) => kind.kind !== eventKind.kind);
    const informers = collected.map((kind) => context.cache.informer(kind));
    for (const informer of informers) {
      addOnce(informer, byOwnerUid);
      informer.onChange(({ type, object }) => {
        const { uid, ownerReferences, finalizers } = storedMeta(object);
        const deletedOwner = type === 'deleted';
        const waits = finalizers?.some((name) => name === foregroundFinalizer || name === orphanFinalizer);
        const changedOwners = type === 'added' && (ownerReferences?.length ?? 0) > 0;
        if (deletedOwner || waits || changedOwners) enqueue(uid);
        // A dependent that goes may be the last one its owner waits for.
        if (deletedOwner) for (const owner of ownerReferences ?? []) enqueue(owner.uid);
      });
    }
    const world: World = { ...context, informers, kinds: collected };
    return async (uid) => {
      const found = find(informers, uid);
      if (found) await collectObject(world, found);
      else for (const dependent of dependentsOf(informers, uid)) await collectObject(world, dependent);
    };
  },
});

interface World extends ControllerContext {
  informers: readonly Informer<KubernetesObject>[];
}

interface Found {
  kind: KindDefinition;
  object: Readonly<KubernetesObject>;
}

function find(informers: readonly Informer<KubernetesObject>[], uid: string): Found | undefined {
  for (const informer of informers) {
    const object = informer.getByUid(uid);
    if (object) return { kind: informer.kind, object };
  }
  return undefined;
}

function dependentsOf(informers: readonly Informer<KubernetesObject>[], ownerUid: string): Found[] {
  return informers.flatMap((informer) =>
    informer.byIndex(byOwnerUid.name, ownerUid).map((object) => ({ kind: informer.kind, object })),
  );
}

async function collectObject(world: World, { kind, object }: Found): Promise<void> {
  const { deletionTimestamp, finalizers = [], ownerReferences = [] } = storedMeta(object);
  if (deletionTimestamp !== undefined) {
    if (finalizers.includes(orphanFinalizer)) await orphanDependents(world, { kind, object });
    else if (finalizers.includes(foregroundFinalizer)) await deleteDependents(world, { kind, object });
    return;
  }
  if (ownerReferences.length === 0) return;
  const owners = await Promise.all(
    ownerReferences.map(async (reference) => ({
      reference,
      state: await ownerState(world, reference, object),
    })),
  );
  if (owners.some(({ state }) => state === 'present')) {
    const gone = owners.filter(({ state }) => state !== 'present').map(({ reference }) => reference.uid);
    if (gone.length > 0) await dropReferences(world, { kind, object }, gone);
    return;
  }
  const blocking = owners.some(({ state }) => state === 'waiting');
  await remove(world, { kind, object }, blocking ? 'Foreground' : 'Background');
}

/** `waiting`: being deleted in the foreground, so its dependents shall go. */
type OwnerState = 'present' | 'waiting' | 'gone';

async function ownerState(
  world: World,
  reference: OwnerReference,
  dependent: Readonly<KubernetesObject>,
): Promise<OwnerState> {
  const cached = find(world.informers, reference.uid)?.object;
  if (cached) {
    const { deletionTimestamp, finalizers = [] } = storedMeta(cached);
    return deletionTimestamp !== undefined && finalizers.includes(foregroundFinalizer)
      ? 'waiting'
      : 'present';
  }
  const kind = world.kinds.find(
    (entry) => apiVersionOf(entry) === reference.apiVersion && entry.kind === reference.kind,
  );
  // An owner of a kind that this server does not know may live elsewhere: leave its dependents alone.
  if (!kind) return 'present';
  const namespace = kind.namespaced ? dependent.metadata?.namespace : undefined;
  try {
    const owner = await world.registry.get(kind, {
      ...(namespace === undefined ? {} : { namespace }),
      name: reference.name,
    });
    return owner.metadata?.uid === reference.uid ? 'present' : 'gone';
  } catch (error) {
    if (isStatus(error, 'NotFound')) return 'gone';
    throw error;
  }
}

/** Foreground: dependents that block go first; the owner follows when none is left. */
async function deleteDependents(world: World, owner: Found): Promise<void> {
  const { uid } = storedMeta(owner.object);
  const dependents = dependentsOf(world.informers, uid);
  for (const dependent of dependents) {
    if (dependent.object.metadata?.deletionTimestamp === undefined) await collectObject(world, dependent);
  }
  const blocked = dependents.some(({ object }) =>
    object.metadata?.ownerReferences?.some(
      (reference) => reference.uid === uid && reference.blockOwnerDeletion === true,
    ),
  );
  if (!blocked) await dropFinalizer(world, owner, foregroundFinalizer);
}

async function orphanDependents(world: World, owner: Found): Promise<void> {
  const { uid } = storedMeta(owner.object);
  for (const dependent of dependentsOf(world.informers, uid)) await dropReferences(world, dependent, [uid]);
  await dropFinalizer(world, owner, orphanFinalizer);
}

async function dropReferences(
  { registry }: World,
  { kind, object }: Found,
  uids: readonly string[],
): Promise<void> {
  await registry
    .mutate(kind, nameOf(object), (draft) => {
      const meta = storedMeta(draft);
      meta.ownerReferences = (meta.ownerReferences ?? []).filter(
        (reference) => !uids.includes(reference.uid),
      );
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

async function remove(
  { registry }: World,
  { kind, object }: Found,
  propagationPolicy: 'Foreground' | 'Background',
): Promise<void> {
  const { uid } = storedMeta(object);
  await registry
    .delete(kind, nameOf(object), { preconditions: { uid }, propagationPolicy })
    .catch(ignoreGone);
}

function nameOf(object: Readonly<KubernetesObject>): { namespace?: string; name: string } {
  const { namespace, name } = storedMeta(object);
  return namespace === undefined ? { name } : { namespace, name };
}
