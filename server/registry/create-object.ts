import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Guard } from '../store/store.ts';
import { allocate, claimChanges, isAllocated } from './allocation.ts';
import { encode, plainCopy } from './codec.ts';
import { type RegistryContext, retryWrite } from './context.ts';
import { alreadyExists, badRequest, invalid, isStoreError } from './failures.ts';
import { keyOf } from './keys.ts';
import { generatedName, placeCauses, stampNew } from './metadata.ts';
import { namespaceGuard } from './namespaces.ts';
import type { ObjectName, WriteOptions } from './registry.ts';
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
  const { name, generateName } = object.metadata ?? {};
  if (name || !generateName) return createNamed(context, kind, plainCopy(object), options);
  for (let attempt = 1; ; attempt += 1) {
    const draft = plainCopy(object);
    (draft.metadata ??= {}).name = generatedName(context, generateName);
    try {
      return await createNamed(context, kind, draft, options);
    } catch (error) {
      if (attempt === generatedNamesMax || !isTaken(error, draft)) throw error;
    }
  }
}

async function createNamed<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  draft: T,
  options: WriteOptions,
): Promise<T> {
  const { dryRun = false, subresource = '', user } = options;
  const metadata = stampNew(context, kind, draft);
  kind.applyDefaults?.(draft);
  trackCreation(context, kind, draft, options);
  kind.prepareCreate?.(draft, { subresource, now: context.clock.now(), ...(user ? { user } : {}) });
  const name = metadata.name ?? '';
  const causes = [...placeCauses(kind, metadata), ...(kind.validate?.(draft) ?? [])];
  if (causes.length > 0) throw invalid(kind, name, causes);

  const key = keyOf(kind, { ...metadata, name });
  const value = encode(draft);
  return retryWrite(kind, name, async () => {
    const guard = await namespaceGuard(context, kind, draft);
    if (isAllocated(context, kind)) return insertAllocated(context, kind, { draft, guard, dryRun });
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

/** With what is given out to the object; what another write took meanwhile is picked anew at the next attempt. */
async function insertAllocated<T extends KubernetesObject>(
  context: RegistryContext,
  kind: KindDefinition<T>,
  { draft, guard, dryRun }: { draft: T; guard: Guard | undefined; dryRun: boolean },
): Promise<T> {
  const next = await refuseTaken(context, kind, plainCopy(draft));
  await allocate(context, kind, { next, old: undefined });
  if (dryRun) return next;
  const key = keyOf(kind, nameOf(next));
  const claims = await claimChanges(context, kind, { next });
  const guards = [{ key, revision: 0 }, ...(guard ? [guard] : []), ...claims.guards];
  try {
    const put = { type: 'put', key, value: encode(next) } as const;
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
