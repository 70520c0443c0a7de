import type { Pod, ReplicaSet } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import {
  controllerOf,
  controllerReference,
  objectKey,
  splitKey,
  storedMeta,
} from '../../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';
import { isStatus } from '../../../protocol/status.ts';
import { adoptAndRelease } from '../adoption.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../ignore-gone.ts';
import { addOnce, byControllerUid, byNamespace, orphansByNamespace } from '../indexes.ts';
import { WriteFence } from '../write-fence.ts';
import { planReplicaSet, withReplicaFailure } from './plan.ts';

export const replicaSetController = defineController({
  name: 'replicaset',
  workers: 5,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const replicaSets = cache.informer(replicaSetKind);
    const pods = cache.informer(podKind);
    addOnce(pods, byControllerUid);
    addOnce(pods, orphansByNamespace);
    addOnce(replicaSets, byNamespace);
    const fence = new WriteFence(pods);

    replicaSets.onChange(({ object }) => enqueue(objectKey(object)));
    pods.onChange(({ object }) => {
      const owner = controllerOf(object);
      const replicaSet = owner && replicaSets.getByUid(owner.uid);
      if (replicaSet) enqueue(objectKey(replicaSet));
      else if (!owner && object.metadata?.labels)
        for (const match of matching(object)) enqueue(objectKey(match));
    });

    function* matching(pod: Readonly<Pod>): Iterable<Readonly<ReplicaSet>> {
      for (const replicaSet of replicaSets.byIndex(byNamespace.name, pod.metadata?.namespace ?? '')) {
        if (compileLabelSelector(replicaSet.spec?.selector)(pod.metadata?.labels)) yield replicaSet;
      }
    }

    return async (key) => {
      const at = splitKey(key);
      const replicaSet = replicaSets.get(at.namespace, at.name);
      if (!replicaSet) return fence.forget(key);
      // The pod events that are still on their way queue the key again.
      if (!fence.isOpen(key)) return { requeueAfterMs: 50 };
      const owned = await adoptAndRelease(context, {
        kind: replicaSetKind,
        owner: replicaSet,
        selector: replicaSet.spec?.selector ?? {},
        controlled: pods.byIndex(byControllerUid.name, storedMeta(replicaSet).uid),
        orphans: pods.byIndex(orphansByNamespace.name, at.namespace ?? ''),
        targetKind: podKind,
      });
      const plan = planReplicaSet(replicaSet, owned, clock.now());
      const failure = await carryOut(context, replicaSet, plan, (written) => fence.wrote(key, written));
      const status = withReplicaFailure(plan.status, failure, clock.now());
      await context.registry.mutate(replicaSetKind, at, (draft) => void (draft.status = status), {
        subresource: 'status',
      });
      if (failure) throw new Error(failure.message);
      return plan.wakeAfterMs === undefined ? undefined : { requeueAfterMs: plan.wakeAfterMs };
    };
  },
});

type Failure = { reason: 'FailedCreate' | 'FailedDelete'; message: string };

async function carryOut(
  context: ControllerContext,
  replicaSet: Readonly<ReplicaSet>,
  plan: ReturnType<typeof planReplicaSet>,
  wrote: (resourceVersion: string | undefined) => void,
): Promise<Failure | undefined> {
  const failure = await createInBatches(context, replicaSet, plan.create, wrote);
  for (const pod of plan.remove) await removePod(context, replicaSet, pod, wrote);
  return failure;
}

/**
 * Makes `count` pods in batches of 1, 2, 4, … and stops at the first batch with a failure (Kubernetes' slow start): a template that
 * is always refused costs one request, not a thousand.
 */
async function createInBatches(
  context: ControllerContext,
  replicaSet: Readonly<ReplicaSet>,
  count: number,
  wrote: (resourceVersion: string | undefined) => void,
): Promise<Failure | undefined> {
  let remaining = count;
  for (let batch = 1; remaining > 0; batch = Math.min(batch * 2, remaining)) {
    const results = await Promise.allSettled(
      Array.from({ length: Math.min(batch, remaining) }, async () => {
        const pod = await context.registry.create(podKind, podFromTemplate(replicaSet));
        wrote(pod.metadata?.resourceVersion);
        context.events.record(replicaSetKind, replicaSet, {
          type: 'Normal',
          reason: 'SuccessfulCreate',
          message: `Created pod: ${storedMeta(pod).name}`,
        });
      }),
    );
    remaining -= results.length;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) return createFailed(context, replicaSet, failed.reason);
  }
  return undefined;
}

function createFailed(
  context: ControllerContext,
  replicaSet: Readonly<ReplicaSet>,
  reason: unknown,
): Failure | undefined {
  const message = `Error creating: ${reason instanceof Error ? reason.message : String(reason)}`;
  const terminating = isStatus(reason, 'Forbidden') && message.includes('being terminated');
  if (terminating) return undefined;
  context.events.record(replicaSetKind, replicaSet, { type: 'Warning', reason: 'FailedCreate', message });
  return { reason: 'FailedCreate', message };
}

async function removePod(
  context: ControllerContext,
  replicaSet: Readonly<ReplicaSet>,
  pod: Readonly<Pod>,
  wrote: (resourceVersion: string | undefined) => void,
): Promise<void> {
  const { namespace, name, uid } = storedMeta(pod);
  const at = { ...(namespace === undefined ? {} : { namespace }), name };
  const deleted = await context.registry.delete(podKind, at, { preconditions: { uid } }).catch(ignoreGone);
  if (!deleted) return;
  wrote(deleted.metadata?.resourceVersion);
  context.events.record(replicaSetKind, replicaSet, {
    type: 'Normal',
    reason: 'SuccessfulDelete',
    message: `Deleted pod: ${name}`,
  });
}

function podFromTemplate(replicaSet: Readonly<ReplicaSet>): Pod {
  const { name, namespace } = storedMeta(replicaSet);
  const template = structuredClone(replicaSet.spec?.template);
  return {
    metadata: {
      ...(namespace === undefined ? {} : { namespace }),
      generateName: `${name}-`,
      labels: template?.metadata?.labels ?? {},
      annotations: template?.metadata?.annotations ?? {},
      finalizers: template?.metadata?.finalizers ?? [],
      ownerReferences: [controllerReference(replicaSetKind, replicaSet)],
    },
    ...(template?.spec ? { spec: template.spec } : {}),
  };
}
