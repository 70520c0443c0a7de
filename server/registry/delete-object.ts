import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import type { Entry } from '../store/store.ts';
import { reviewedWrite, writeReviewed } from './admission.ts';
import { removeEntry } from './allocation.ts';
import { type RegistryContext, readEntry, retryWrite } from './context.ts';
import { conflict } from './failures.ts';
import { heldBySpec, markTerminating, refuseUndeletable } from './namespaces.ts';
import type { DeleteRequest, ObjectName } from './registry.ts';
import { commit, requireUid } from './replace-object.ts';
import { decodeEntry } from './stored-form.ts';

export async function deleteObject<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  at: ObjectName,
  request: DeleteRequest = {},
): Promise<T> {
  refuseUndeletable(kind, at.name);
  return retryWrite(kind, at.name, async () => {
    const entry = await readEntry(context, kind, at);
    const old = await decodeEntry(kind, entry);
    requirePreconditions(kind, old, request.preconditions);
    const write = () => removeOrMark(context, kind, { entry, old, request });
    const reviewed = reviewedWrite(context, kind, { operation: 'DELETE', options: request, oldObject: old });
    if (!reviewed) return write();
    await reviewed.review.admit(reviewed.request);
    return writeReviewed(reviewed, write);
  });
}

async function removeOrMark<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { entry, old, request }: { entry: Entry; old: T; request: DeleteRequest },
): Promise<T> {
  const next = structuredClone(old);
  if (markDeleted(kind, next, request, context.clock.now()) === 'remove') {
    if (!request.dryRun) await removeEntry(context, kind, { entry, old });
    return old;
  }
  return commit(context, kind, { entry, old, next, options: { dryRun: request.dryRun ?? false } });
}

/**
 * What a delete makes of an object, in place (source: k8s.io/apiserver/pkg/registry/rest, BeforeDelete, and
 * generic/registry, deletionFinalizersForGarbageCollection): it goes at once, or it stays with a deletionTimestamp
 * until its grace is over and its finalizers are gone. A repeated delete can only shorten the grace.
 */
export function markDeleted<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  object: T,
  request: DeleteRequest,
  now: number,
): 'remove' | 'keep' {
  const metadata = (object.metadata ??= {});
  applyPropagation(metadata, request.propagationPolicy);
  const known = metadata.deletionTimestamp;
  if (known === undefined) {
    const graceSeconds = kind.deletion?.gracePeriodSeconds(object, request.gracePeriodSeconds) ?? 0;
    metadata.deletionTimestamp = timestamp(now + graceSeconds * 1000);
    metadata.deletionGracePeriodSeconds = graceSeconds;
    if (metadata.generation !== undefined) metadata.generation += 1;
    markTerminating(kind, object);
  } else {
    shortenGrace(metadata, known, request.gracePeriodSeconds);
  }
  const held =
    (metadata.deletionGracePeriodSeconds ?? 0) > 0 ||
    (metadata.finalizers ?? []).length > 0 ||
    heldBySpec(kind, object);
  return held ? 'keep' : 'remove';
}

type Described = Pick<KindDefinition, 'group' | 'kind' | 'plural'>;
type Metadata = NonNullable<KubernetesObject['metadata']>;

function shortenGrace(metadata: Metadata, deletionTimestamp: string, requested: number | undefined): void {
  const left = metadata.deletionGracePeriodSeconds ?? 0;
  if (requested === undefined || requested >= left) return;
  const seconds = Math.max(requested, 0);
  metadata.deletionTimestamp = timestamp(Date.parse(deletionTimestamp) - (left - seconds) * 1000);
  metadata.deletionGracePeriodSeconds = seconds;
}

/** The garbage collector reads what to do with the dependents from these finalizers. */
const policyFinalizers = { Orphan: 'orphan', Foreground: 'foregroundDeletion' } as const;

function applyPropagation(metadata: Metadata, policy: DeleteRequest['propagationPolicy']): void {
  if (policy === undefined) return;
  const own: readonly string[] = Object.values(policyFinalizers);
  const others = (metadata.finalizers ?? []).filter((name) => !own.includes(name));
  const wanted = policy === 'Background' ? others : [...others, policyFinalizers[policy]];
  if (sameValue(wanted, metadata.finalizers ?? [])) return;
  if (wanted.length > 0) metadata.finalizers = wanted;
  else delete metadata.finalizers;
}

function requirePreconditions(
  kind: Described,
  object: KubernetesObject,
  preconditions: DeleteRequest['preconditions'],
): void {
  requireUid(kind, object, preconditions?.uid);
  const { name = '', resourceVersion } = object.metadata ?? {};
  const wanted = preconditions?.resourceVersion;
  if (!wanted || wanted === resourceVersion) return;
  const versions = `ResourceVersion in precondition: ${wanted}, ResourceVersion in object meta: ${resourceVersion}`;
  throw conflict(kind, name, `Precondition failed: ${versions}`);
}
