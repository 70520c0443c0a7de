import type { Pod, ReplicaSet, ReplicaSetStatus } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { controllerReference, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone, isNamespaceEnding, messageOf } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid, orphansByNamespace } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { WriteFence } from '../write-fence.ts';
import { planReplicaSet, type ReplicaFailure, withReplicaFailure } from './plan.ts';

export const replicaSetController = defineController({
  name: 'replicaset',
  workers: 5,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const replicaSets = cache.informer(replicaSetKind);
    const pods = cache.informer(podKind);
    const fence = new WriteFence(pods);
    const selectorOf = ({ spec }: Readonly<ReplicaSet>) => spec?.selector;
    followControlled(context, { owners: replicaSets, controlled: pods, selectorOf, enqueue });

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const replicaSet = replicaSets.get(namespace, name);
      if (!replicaSet) return fence.forget(key);
      if (!fence.isOpen(key)) return WriteFence.retry;
      const owned = await adoptAndRelease(context, {
        kind: replicaSetKind,
        owner: replicaSet,
        selector: replicaSet.spec?.selector ?? {},
        targetKind: podKind,
        controlled: pods.byIndex(byControllerUid.name, storedMeta(replicaSet).uid),
        orphans: pods.byIndex(orphansByNamespace.name, namespace),
        wrote: (pod) => fence.wrote(key, pod),
      });
      const plan = planReplicaSet(replicaSet, owned, clock.now());
      const work: Work = { context, replicaSet, fence, key };
      const failure = (await createPods(work, plan.create)) ?? (await removePods(work, plan.remove));
      await writeStatus(context, replicaSet, withReplicaFailure(plan.status, failure, clock.now()));
      if (failure) throw new Error(failure.message);
      return plan.wakeAfterMs === undefined ? undefined : { requeueAfterMs: plan.wakeAfterMs };
    };
  },
});

interface Work {
  context: ControllerContext;
  replicaSet: Readonly<ReplicaSet>;
  fence: WriteFence<Pod>;
  key: string;
}

/**
 * Makes `count` pods in batches of 1, 2, 4, … and stops at the first batch with a failure (Kubernetes' slow start): a
 * template that is always refused costs one request, not a thousand.
 */
async function createPods(work: Work, count: number): Promise<ReplicaFailure | undefined> {
  let remaining = count;
  for (let batch = 1; remaining > 0; batch = Math.min(batch * 2, remaining)) {
    const results = await Promise.allSettled(Array.from({ length: batch }, () => createPod(work)));
    remaining -= batch;
    const failed = results.find((result) => result.status === 'rejected');
    if (!failed) continue;
    if (isNamespaceEnding(failed.reason)) return undefined;
    return failureOf(work, 'FailedCreate', `Error creating: ${messageOf(failed.reason)}`);
  }
  return undefined;
}

async function createPod({ context, replicaSet, fence, key }: Work): Promise<void> {
  const pod = await context.registry.create(podKind, podFromTemplate(replicaSet));
  fence.wrote(key, pod);
  context.events.record(replicaSetKind, replicaSet, {
    type: 'Normal',
    reason: 'SuccessfulCreate',
    message: `Created pod: ${storedMeta(pod).name}`,
  });
}

async function removePods(work: Work, pods: readonly Readonly<Pod>[]): Promise<ReplicaFailure | undefined> {
  const results = await Promise.allSettled(pods.map((pod) => removePod(work, pod)));
  const failed = results.find((result) => result.status === 'rejected');
  return failed && failureOf(work, 'FailedDelete', `Error deleting: ${messageOf(failed.reason)}`);
}

async function removePod({ context, replicaSet, fence, key }: Work, pod: Readonly<Pod>): Promise<void> {
  const { name, uid } = storedMeta(pod);
  const preconditions = { uid };
  const deleted = await context.registry.delete(podKind, nameOf(pod), { preconditions }).catch(ignoreGone);
  fence.deleted(key, uid);
  if (!deleted) return;
  context.events.record(replicaSetKind, replicaSet, {
    type: 'Normal',
    reason: 'SuccessfulDelete',
    message: `Deleted pod: ${name}`,
  });
}

function failureOf(
  { context, replicaSet }: Work,
  reason: ReplicaFailure['reason'],
  message: string,
): ReplicaFailure {
  context.events.record(replicaSetKind, replicaSet, { type: 'Warning', reason, message });
  return { reason, message };
}

async function writeStatus(
  { registry }: ControllerContext,
  replicaSet: Readonly<ReplicaSet>,
  status: ReplicaSetStatus,
): Promise<void> {
  if (sameValue(replicaSet.status, status)) return;
  const { uid } = storedMeta(replicaSet);
  const change = (draft: ReplicaSet) => {
    if (draft.metadata?.uid === uid) draft.status = status;
  };
  await registry
    .mutate(replicaSetKind, nameOf(replicaSet), change, { subresource: 'status' })
    .catch(ignoreGone);
}

function podFromTemplate(replicaSet: Readonly<ReplicaSet>): Pod {
  const { name, namespace } = storedMeta(replicaSet);
  const { metadata, spec } = structuredClone(replicaSet.spec?.template) ?? {};
  return {
    metadata: {
      ...(namespace === undefined ? {} : { namespace }),
      generateName: `${name}-`,
      ...(metadata?.labels ? { labels: metadata.labels } : {}),
      ...(metadata?.annotations ? { annotations: metadata.annotations } : {}),
      ...(metadata?.finalizers ? { finalizers: metadata.finalizers } : {}),
      ownerReferences: [controllerReference(replicaSetKind, replicaSet)],
    },
    ...(spec ? { spec } : {}),
  };
}
