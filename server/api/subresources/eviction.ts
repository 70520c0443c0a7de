import type { Eviction, Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { markDisrupted } from '../../../protocol/kinds/pod-status.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus, StatusError } from '../../../protocol/status.ts';
import type { DeleteRequest, ObjectName, Registry } from '../../registry/registry.ts';
import { objectName, type ResourceExchange } from '../exchange.ts';
import { parseTyped } from '../request/body-object.ts';
import { deleteRequest } from '../request/delete-options.ts';
import { readBody } from '../request/request-body.ts';
import { sendCreatedStatus } from '../response/answer.ts';
import { admitPosted } from './admit-posted.ts';
import { grantEviction } from './disruption-budgets.ts';

export const evictionType = {
  group: 'policy',
  version: 'v1',
  apiVersion: 'policy/v1',
  kind: 'Eviction',
  schema: 'io.k8s.api.policy.v1.Eviction',
};

/** Evictions of one pod that are tried before the pod changes too often. */
const attemptsMax = 5;

/** `POST pods/<name>/eviction` deletes the pod if its disruption budget allows that, as `kubectl drain` asks for. */
export async function evictPod(exchange: ResourceExchange): Promise<void> {
  const { services } = exchange;
  const value = parseTyped(services, await readBody(exchange), evictionType);
  const { object } = services.decoder.decodeAs(evictionType.schema, value, { fieldValidation: 'Ignore' });
  const eviction = object as Eviction;
  const { name } = objectName(exchange);
  if (eviction.metadata?.name !== undefined && eviction.metadata.name !== name) {
    throw new StatusError('BadRequest', 'name in URL does not match name in Eviction object');
  }
  const options = deleteRequest(eviction.deleteOptions ?? {});
  await admitPosted(exchange, eviction, { dryRun: options.dryRun ?? false });
  for (let attempt = 1; !(await tryEviction(exchange, options, attempt === attemptsMax)); attempt += 1);
  await sendCreatedStatus(exchange);
}

/** False when the pod changed meanwhile, so that it must be looked at again. */
async function tryEviction(
  exchange: ResourceExchange,
  options: DeleteRequest,
  isLast: boolean,
): Promise<boolean> {
  const { registry, clock } = exchange.services;
  const at = objectName(exchange);
  const { dryRun = false } = options;
  const pod = await registry.get(podKind, at);
  const { uid, resourceVersion } = storedMeta(pod);
  const grant = await grantEviction(registry, pod, { nowMs: clock.now(), dryRun });
  const own = grant.onlyAsItIs ? { uid, resourceVersion } : { uid };
  if (!grant.onlyAsItIs && !dryRun) await markEvicted(registry, at, { uid, nowMs: clock.now() });
  try {
    await registry.delete(podKind, at, { ...options, preconditions: { ...own, ...options.preconditions } });
    return true;
  } catch (error) {
    const isStale = grant.onlyAsItIs && options.preconditions === undefined && isStatus(error, 'Conflict');
    if (!isStale || isLast) throw error;
    return false;
  }
}

/** So that a Job's failure policy can tell an eviction from a failure. */
async function markEvicted(
  registry: Registry,
  at: ObjectName,
  { uid, nowMs }: { uid: string; nowMs: number },
): Promise<void> {
  const change = (draft: Pod) => {
    if (draft.metadata?.uid === uid) markDisrupted(draft, evicted, nowMs);
  };
  await registry.mutate(podKind, at, change, { subresource: 'status' });
}

const evicted = { reason: 'EvictionByEvictionAPI', message: 'Eviction API: evicting' };
