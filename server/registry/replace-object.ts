import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { Entry } from '../store/store.ts';
import { reviewedWrite, writeReviewed } from './admission.ts';
import { allocate, claimChanges, removeEntry } from './allocation.ts';
import { decode, plainCopy } from './codec.ts';
import { type RegistryContext, readEntry, retryWrite } from './context.ts';
import { conflict, invalid, modifiedMeanwhile } from './failures.ts';
import { bumpGeneration, carryMetadata, metadataUpdateCauses } from './metadata.ts';
import { heldBySpec } from './namespaces.ts';
import type { ObjectName, WriteOptions } from './registry.ts';
import { decodeEntry, encodeStored, isInStoredForm } from './stored-form.ts';
import { trackUpdate } from './track-owners.ts';

/** Replaces an object by what the caller sent; see `Registry.update`. */
export async function updateObject<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  object: T,
  options: WriteOptions = {},
): Promise<T> {
  const at = { name: object.metadata?.name ?? '', namespace: object.metadata?.namespace ?? '' };
  const { resourceVersion, uid } = object.metadata ?? {};
  return retryWrite(kind, at.name, async () => {
    const entry = await readEntry(context, kind, at);
    const old = await decodeEntry(kind, entry);
    requireUid(kind, old, uid);
    if (resourceVersion && resourceVersion !== old.metadata?.resourceVersion) {
      throw conflict(kind, at.name, modifiedMeanwhile);
    }
    return replace(context, kind, { entry, old, next: plainCopy(object), options });
  });
}

/** Reads, lets `change` edit and writes; see `Registry.mutate`. */
export async function mutateObject<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { at, change, options = {} }: { at: ObjectName; change: (draft: T) => void; options?: WriteOptions },
): Promise<T> {
  return retryWrite(kind, at.name, async () => {
    const entry = await readEntry(context, kind, at);
    const next = await decodeEntry(kind, entry);
    // To read it again costs less than a copy, but for what somebody else converts.
    const old = kind.custom?.conversion?.convert ? structuredClone(next) : decode(kind, entry);
    change(next);
    return replace(context, kind, { entry, old, next, options });
  });
}

type Described = Pick<KindDefinition, 'group' | 'kind' | 'plural'>;

interface Replacement<T> {
  readonly entry: Entry;
  /** `entry` decoded, for this call alone: parts of it may become parts of the answer. */
  readonly old: T;
  readonly next: T;
  readonly options: WriteOptions;
}

async function replace<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { entry, old, next: sent, options }: Replacement<T>,
): Promise<T> {
  const subresource = options.subresource ?? '';
  const sentOwners = sent.metadata?.managedFields;
  let next = separateParts(kind, { sent, old, subresource });
  carryMetadata(kind, next, old);
  kind.applyDefaults?.(next);
  const reviewed = reviewedWrite(context, kind, {
    operation: 'UPDATE',
    options,
    object: next,
    oldObject: old,
  });
  if (reviewed) {
    await reviewed.review.admit(reviewed.request);
    next = separateParts(kind, { sent: (reviewed.request.object ?? next) as T, old, subresource });
    carryMetadata(kind, next, old);
    kind.applyDefaults?.(next);
    reviewed.request.object = next;
  }
  kind.prepareUpdate?.(next, old, {
    subresource,
    now: context.clock.now(),
    ...(options.user ? { user: options.user } : {}),
  });
  bumpGeneration(kind, next, old);
  await trackUpdate(context, kind, { old, next, sentOwners, options });
  const causes = [
    ...metadataUpdateCauses(next.metadata ?? {}, old.metadata ?? {}),
    // A status report is not refused because the rules for specs became stricter meanwhile.
    ...(subresource === 'status' ? [] : (kind.validate?.(next, old) ?? [])),
    ...(kind.validateUpdate?.(next, old, subresource) ?? []),
  ];
  if (causes.length > 0) throw invalid(kind, old.metadata?.name ?? '', causes);
  await allocate(context, kind, { next, old });
  const write = () => commit(context, kind, { entry, old, next, options });
  return reviewed ? writeReviewed(reviewed, write) : write();
}

/** Writes `next` over `entry`, or removes it when nothing holds a deleted object any more. */
export async function commit<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { entry, old, next, options }: Replacement<T>,
): Promise<T> {
  if (isFinished(kind, next)) {
    if (!options.dryRun) await removeEntry(context, kind, { entry, old });
    return next;
  }
  if (sameValue(next, old) && isInStoredForm(kind, entry)) return next;
  const value = await encodeStored(kind, next);
  if (!options.dryRun) {
    const revision = await write(context, kind, { entry, old, next }, value);
    (next.metadata ??= {}).resourceVersion = String(revision);
  }
  return next;
}

async function write<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { entry, old, next }: Pick<Replacement<T>, 'entry' | 'old' | 'next'>,
  value: Uint8Array,
): Promise<number> {
  const { key, revision } = entry;
  const { guards, operations } = await claimChanges(context, kind, { old, next });
  if (operations.length === 0) return context.store.update(key, value, revision);
  return context.store.txn([{ key, revision }, ...guards], [{ type: 'put', key, value }, ...operations]);
}

/** Conflict unless `uid` is absent or the object's own. */
export function requireUid(kind: Described, object: KubernetesObject, uid: string | undefined): void {
  const { name = '', uid: found } = object.metadata ?? {};
  if (uid && uid !== found) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${found}`,
    );
  }
}

/** Whether a deleted object has neither time nor finalizers left. */
function isFinished(kind: Described, { metadata, ...object }: KubernetesObject): boolean {
  return (
    metadata?.deletionTimestamp !== undefined &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
    (metadata.finalizers ?? []).length === 0 &&
    !heldBySpec(kind, object)
  );
}

/**
 * Each part goes through its own door: through `status` only the status is taken from the caller, through
 * `finalize` only spec.finalizers, and where a kind has such a subresource, its part is not taken otherwise. What
 * is not taken is shared with `old`, which makes comparing it free.
 */
function separateParts<T extends KubernetesObject>(
  { subresources }: Pick<KindDefinition, 'subresources'>,
  { sent, old, subresource }: { sent: T; old: T; subresource: string },
): T {
  if (subresource === 'status') return withPart(copyOf(old), 'status', partOf(sent, 'status'));
  if (subresource === 'finalize') return withFinalizersOf(copyOf(old), sent);
  if (subresource !== '') return sent;
  if (subresources.includes('status')) withPart(sent, 'status', partOf(old, 'status'));
  if (subresources.includes('finalize')) withFinalizersOf(sent, old);
  return sent;
}

function copyOf<T extends KubernetesObject>(object: T): T {
  return { ...object, metadata: { ...object.metadata } };
}

function withFinalizersOf<T extends KubernetesObject>(object: T, source: T): T {
  const { finalizers } = (partOf(source, 'spec') ?? {}) as { finalizers?: string[] };
  const spec = { ...(partOf(object, 'spec') as object | undefined), finalizers };
  return withPart(object, 'spec', spec);
}

type Part = 'spec' | 'status';

function partOf(object: KubernetesObject, part: Part): unknown {
  return (object as { [P in Part]?: unknown })[part];
}

function withPart<T extends KubernetesObject>(object: T, part: Part, value: unknown): T {
  const parts = object as { [P in Part]?: unknown };
  if (value === undefined || value === null) delete parts[part];
  else parts[part] = value;
  return object;
}
