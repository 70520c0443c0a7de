import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Guard } from '../store/store.ts';
import { type ReviewedWrite, reviewedWrite, writeReviewed } from './admission.ts';
import { allocate, claimChanges, isAllocated } from './allocation.ts';
import { plainCopy } from './codec.ts';
import { type RegistryContext, retryWrite } from './context.ts';
import { alreadyExists, badRequest, invalid, isStoreError } from './failures.ts';
import { keyOf } from './keys.ts';
import { generatedName, keepStamps, placeCauses, stampNew } from './metadata.ts';
import { namespaceGuard } from './namespaces.ts';
import type { ObjectName, WriteOptions } from './registry.ts';
import { encodeStored } from './stored-form.ts';
import { trackCreation } from './track-owners.ts';

/** A generated name that is taken is replaced by another this often (source: apiserver, RetryGenerateName). */
const generatedNamesMax = 8;

export async function createObject<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  object: T,
  options: WriteOptions = {},
): Promise<T> {
  if (object.metadata?.resourceVersion) {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  for (let attempt = 1; ; attempt += 1) {
    const { draft, reviewed } = await admitNew(context, kind, plainCopy(object), options);
    const metadata = (draft.metadata ??= {});
    const { name, generateName } = metadata;
    const generates = !name && generateName;
    if (generates) metadata.name = generatedName(context, generateName);
    prepareNew(context, kind, draft, options);
    const writeNew = (next: T, write: () => Promise<T>) => {
      if (!reviewed) return write();
      const request = { ...reviewed.request, name: metadata.name ?? '', object: next };
      return writeReviewed({ review: reviewed.review, request }, write);
    };
    try {
      if (isAllocated(context, kind))
        return await createAllocated(context, kind, { draft, options, writeNew });
      return await writeNew(draft, () => createNamed(context, kind, draft, options));
    } catch (error) {
      if (!generates || attempt === generatedNamesMax || !isTaken(error, draft)) throw error;
    }
  }
}

/** The object with its defaults, as admission made it where that has a say: before it has a generated name. */
async function admitNew<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  object: T,
  options: WriteOptions,
): Promise<{ draft: T; reviewed?: ReviewedWrite }> {
  const metadata = stampNew(context, kind, object);
  kind.applyDefaults?.(object);
  trackCreation(context, kind, object, options);
  const reviewed = reviewedWrite(context, kind, { operation: 'CREATE', options, object });
  if (!reviewed) return { draft: object };
  // Whoever reviews may look for what else is in the namespace: one that is missing is the clearer reason.
  await namespaceGuard(context, kind, object);
  const stamps = { ...metadata };
  await reviewed.review.admit(reviewed.request);
  const draft = (reviewed.request.object ?? object) as T;
  keepStamps(kind, draft, stamps);
  kind.applyDefaults?.(draft);
  return { draft, reviewed };
}

/** Fills in what is not the creator's, and validates. */
function prepareNew<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  draft: T,
  { subresource = '', user }: WriteOptions,
): void {
  kind.prepareCreate?.(draft, { subresource, now: context.clock.now(), ...(user ? { user } : {}) });
  const { metadata = {} } = draft;
  const causes = [...placeCauses(kind, metadata), ...(kind.validate?.(draft) ?? [])];
  if (causes.length > 0) throw invalid(kind, metadata.name ?? '', causes);
}

async function createNamed<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  draft: T,
  { dryRun = false }: WriteOptions,
): Promise<T> {
  const metadata = (draft.metadata ??= {});
  const { name = '' } = metadata;
  const key = keyOf(kind, { ...metadata, name });
  const value = await encodeStored(kind, draft);
  return retryWrite(kind, name, async () => {
    const guard = await namespaceGuard(context, kind, draft);
    if (dryRun) return refuseTaken(context, kind, draft);
    draft.metadata = { ...metadata, resourceVersion: String(await insert()) };
    return draft;

    async function insert(): Promise<number> {
      try {
        if (!guard) return await context.store.create(key, value);
        return await context.store.txn([{ key, revision: 0 }, guard], [{ type: 'put', key, value }]);
      } catch (error) {
        throw (await isNameTaken(context, key, error)) ? alreadyExists(kind, name) : error;
      }
    }
  });
}

/**
 * With what is given out to the object, which whoever validates sees. What another write took meanwhile is picked anew,
 * and validated anew, at the next attempt.
 */
function createAllocated<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  {
    draft,
    options,
    writeNew,
  }: { draft: T; options: WriteOptions; writeNew: (next: T, write: () => Promise<T>) => Promise<T> },
): Promise<T> {
  return retryWrite(kind, draft.metadata?.name ?? '', async () => {
    const guard = await namespaceGuard(context, kind, draft);
    const next = await refuseTaken(context, kind, plainCopy(draft));
    await allocate(context, kind, { next, old: undefined });
    return writeNew(next, async () => {
      return options.dryRun ? next : insertAllocated(context, kind, { next, guard });
    });
  });
}

async function insertAllocated<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { next, guard }: { next: T; guard: Guard | undefined },
): Promise<T> {
  const key = keyOf(kind, nameOf(next));
  const claims = await claimChanges(context, kind, { next });
  const guards = [{ key, revision: 0 }, ...(guard ? [guard] : []), ...claims.guards];
  try {
    const put = { type: 'put', key, value: await encodeStored(kind, next) } as const;
    const revision = await context.store.txn(guards, [put, ...claims.operations]);
    next.metadata = { ...next.metadata, resourceVersion: String(revision) };
    return next;
  } catch (error) {
    throw (await isNameTaken(context, key, error)) ? alreadyExists(kind, nameOf(next).name) : error;
  }
}

async function isNameTaken({ store }: RegistryContext, key: string, error: unknown): Promise<boolean> {
  if (isStoreError(error, 'KeyExists')) return true;
  return isStoreError(error, 'RevisionMismatch') && (await store.get(key)) !== undefined;
}

async function refuseTaken<T extends KubernetesObject>(
  { store }: RegistryContext,
  kind: KindDefinition<T>,
  draft: T,
): Promise<T> {
  const at = nameOf(draft);
  if (await store.get(keyOf(kind, at))) throw alreadyExists(kind, at.name);
  return draft;
}

function nameOf({ metadata }: KubernetesObject): ObjectName {
  const { name = '', namespace } = metadata ?? {};
  return namespace === undefined ? { name } : { name, namespace };
}

function isTaken(error: unknown, draft: KubernetesObject): boolean {
  return isStatus(error, 'AlreadyExists') && error.details.name === draft.metadata?.name;
}
