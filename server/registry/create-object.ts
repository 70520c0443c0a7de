import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { isStatus } from '../../protocol/status.ts';
import { encode, plainCopy } from './codec.ts';
import { type RegistryContext, retryWrite } from './context.ts';
import { alreadyExists, badRequest, invalid, isStoreError } from './failures.ts';
import { keyOf } from './keys.ts';
import { generatedName, placeCauses, stampNew } from './metadata.ts';
import { namespaceGuard } from './namespaces.ts';
import type { WriteOptions } from './registry.ts';
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
    if (dryRun) {
      if (await context.store.get(key)) throw alreadyExists(kind, name);
      return draft;
    }
    const revision = await insert();
    metadata.resourceVersion = String(revision);
    return draft;

    async function insert(): Promise<number> {
      try {
        if (!guard) return await context.store.create(key, value);
        return await context.store.txn([{ key, revision: 0 }, guard], [{ type: 'put', key, value }]);
      } catch (error) {
        const taken =
          isStoreError(error, 'KeyExists') ||
          (isStoreError(error, 'RevisionMismatch') && (await context.store.get(key)) !== undefined);
        throw taken ? alreadyExists(kind, name) : error;
      }
    }
  });
}

function isTaken(error: unknown, draft: KubernetesObject): boolean {
  return isStatus(error, 'AlreadyExists') && error.details.name === draft.metadata?.name;
}
