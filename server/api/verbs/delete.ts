import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { apiVersionOf } from '../../../protocol/kinds/define-kind.ts';
import { isStatus } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { readDeleteOptions } from '../request/delete-options.ts';
import { readListOptions } from '../request/list-options.ts';
import { sendKindObject, sendPlain, sendValue, successStatus } from '../response/answer.ts';
import { withTypeMeta } from '../response/type-meta.ts';

/** Answers with the object while it is still terminating, with a Status once it is gone (as Kubernetes). */
export async function deleteObject(exchange: ResourceExchange): Promise<void> {
  const options = await readDeleteOptions(exchange);
  const object = await exchange.services.registry.delete(exchange.kind, objectName(exchange), options);
  const { deletionTimestamp, uid, name = '' } = object.metadata ?? {};
  if (deletionTimestamp !== undefined) return sendKindObject(exchange, 200, object);
  const { group, plural } = exchange.kind;
  await sendPlain(
    exchange,
    200,
    successStatus({ name, ...(group && { group }), kind: plural, ...(uid && { uid }) }),
  );
}

/** Deletes all that the selectors match, page by page, a few at a time, and answers with the list of them. */
export async function deleteCollection(exchange: ResourceExchange): Promise<void> {
  const { services, kind } = exchange;
  const { limit: _limit, ...selection } = readListOptions(exchange);
  const options = await readDeleteOptions(exchange);
  const deleted: KubernetesObject[] = [];
  let page = await services.registry.list(kind, { ...selection, limit: apiLimits.pageObjects });
  const { resourceVersion } = page;
  for (;;) {
    for (let at = 0; at < page.items.length; at += concurrentDeletes) {
      const batch = page.items.slice(at, at + concurrentDeletes);
      deleted.push(...(await Promise.all(batch.map((object) => deleteOne(object)))).flat());
    }
    if (!page.continue) break;
    page = await services.registry.list(kind, {
      ...selection,
      limit: apiLimits.pageObjects,
      continue: page.continue,
    });
  }
  const head = { kind: `${kind.kind}List`, apiVersion: apiVersionOf(kind), metadata: { resourceVersion } };
  await sendValue(exchange, 200, { ...head, items: deleted }, { format: 'json' });

  async function deleteOne({ metadata = {} }: KubernetesObject): Promise<KubernetesObject[]> {
    const at = {
      name: metadata.name ?? '',
      ...(kind.namespaced ? { namespace: metadata.namespace ?? '' } : {}),
    };
    try {
      return [withTypeMeta(kind, await services.registry.delete(kind, at, options))];
    } catch (error) {
      if (isStatus(error, 'NotFound')) return [];
      throw error;
    }
  }
}

const concurrentDeletes = 16;
