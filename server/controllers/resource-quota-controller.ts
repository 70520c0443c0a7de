import type { ResourceQuota } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { resourceQuotaKind } from '../../protocol/kinds/resource-quota.ts';
import { objectKey, splitKey } from '../../protocol/kinds/stored-object.ts';
import { type ControllerDefinition, defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';
import { nameOf } from './object-name.ts';

/** Who counts what is used of quotas; its counts are those of the cache. */
export interface QuotaCounts {
  /** Hears the key of each quota whose count changed. */
  onChange(handler: (key: string) => void): void;
  /** Undefined while it is not known. */
  usedOf(quota: Readonly<ResourceQuota>): Record<string, string> | undefined;
  releaseStale(quota: Readonly<ResourceQuota>): Promise<void>;
}

/** A status is written at most this often: a thousand new pods are not a thousand writes. */
const writeEveryMs = 100;

/** Keeps the status of quotas: what they allow, and what of it is used. */
export function resourceQuotaController(counts: QuotaCounts): ControllerDefinition {
  return defineController({
    name: 'resourcequota',
    workers: 2,
    setup({ registry, cache, clock, follow }, enqueue) {
      const quotas = cache.informer(resourceQuotaKind);
      const writtenMs = new Map<string, number>();
      follow(quotas, ({ type, object }) => {
        if (type === 'deleted') writtenMs.delete(objectKey(object));
        else enqueue(objectKey(object));
      });
      counts.onChange(enqueue);

      return async (key) => {
        const { namespace, name } = splitKey(key);
        const quota = quotas.get(namespace, name);
        if (!quota) return undefined;
        await counts.releaseStale(quota);
        if (isCurrent(quota, counts.usedOf(quota))) return undefined;
        const waitMs = (writtenMs.get(key) ?? -writeEveryMs) + writeEveryMs - clock.monotonic();
        if (waitMs > 0) return { requeueAfterMs: waitMs };
        writtenMs.set(key, clock.monotonic());
        const change = (draft: ResourceQuota) => {
          const used = counts.usedOf(draft);
          if (used) draft.status = { hard: { ...draft.spec?.hard }, used };
        };
        await registry
          .mutate(resourceQuotaKind, nameOf(quota), change, { subresource: 'status' })
          .catch(ignoreGone);
        return undefined;
      };
    },
  });
}

function isCurrent(
  { spec, status }: Readonly<ResourceQuota>,
  used: Record<string, string> | undefined,
): boolean {
  return (
    used === undefined || (sameValue(status?.hard ?? {}, spec?.hard ?? {}) && sameValue(status?.used, used))
  );
}
