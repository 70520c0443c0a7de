import type { LabelSelector, ReplicaSetStatus } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { type ControllerContext, type ControllerDefinition, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid, orphansByNamespace } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { OwnEchoes } from '../own-echoes.ts';
import { Pacing } from '../pacing.ts';
import { createPods, type PodWork, podFromTemplate, removePods } from '../pod-control.ts';
import { onNodes, readBatchNodes, requireNodes } from '../rollout-policy/batch-nodes.ts';
import { WriteFence } from '../write-fence.ts';
import { planReplicaSet, type Replicated, withReplicaFailure } from './plan.ts';

/** A kind that keeps a number of equal pods, and what of it differs from a ReplicaSet. */
export interface ReplicaControllerParts<O extends KubernetesObject & Replicated> {
  name: string;
  kind: KindDefinition<O>;
  selectorOf: (owner: Readonly<O>) => LabelSelector | undefined;
  /** Writes what is known into a draft of the owner, in place. */
  setStatus: (draft: O, status: ReplicaSetStatus) => void;
}

export function defineReplicaController<O extends KubernetesObject & Replicated>(
  parts: ReplicaControllerParts<O>,
): ControllerDefinition {
  const { name, kind, selectorOf } = parts;
  return defineController({
    name,
    workers: 5,
    setup(context, enqueue) {
      const { cache, clock } = context;
      const owners = cache.informer(kind);
      const pods = cache.informer(podKind);
      const nodes = cache.informer(nodeKind);
      const fence = new WriteFence(pods);
      const pacing = new Pacing(clock);
      const echoes = new OwnEchoes<O>();
      const isEcho = echoes.isEcho.bind(echoes);
      followControlled(context, { owners, controlled: pods, selectorOf, enqueue, isEcho });

      return async (key) => {
        const { namespace = '', name } = splitKey(key);
        const owner = owners.get(namespace, name);
        if (!owner) return [fence, pacing, echoes].forEach((part) => part.forget(key));
        if (!fence.isOpen(key)) return WriteFence.retry;
        const restMs = pacing.restMs(key);
        if (restMs > 0) return { requeueAfterMs: restMs };
        const owned = await adoptAndRelease(context, {
          kind,
          owner,
          selector: selectorOf(owner) ?? {},
          targetKind: podKind,
          controlled: pods.byIndex(byControllerUid.name, storedMeta(owner).uid),
          orphans: pods.byIndex(orphansByNamespace.name, namespace),
          wrote: (pod) => fence.wrote(key, pod),
        });
        const places = readBatchNodes(owner.metadata?.annotations);
        const goesFirst = places && onNodes(places, (node) => nodes.get(undefined, node));
        const plan = pacing.run(key, () => planReplicaSet(owner, owned, clock.now(), goesFirst));
        const work: PodWork<O> = { context, kind, owner, fence, key };
        const wanted = Array.from({ length: plan.create }, () => {
          const pod = podFromTemplate(kind, owner, owner.spec?.template);
          if (places && pod.spec) requireNodes(pod.spec, places);
          return pod;
        });
        const failure = (await createPods(work, wanted)) ?? (await removePods(work, plan.remove));
        const status = withReplicaFailure(plan.status, failure, clock.now());
        const written = await writeStatus(context, parts, owner, status);
        echoes.wrote(owner, written);
        if (failure) throw new Error(failure.message);
        return plan.wakeAfterMs === undefined ? undefined : { requeueAfterMs: plan.wakeAfterMs };
      };
    },
  });
}

/** Undefined when there was nothing to write, or nowhere. */
async function writeStatus<O extends KubernetesObject & Replicated>(
  { registry }: ControllerContext,
  { kind, setStatus }: ReplicaControllerParts<O>,
  owner: Readonly<O>,
  status: ReplicaSetStatus,
): Promise<O | undefined> {
  const shown = structuredClone(owner) as O;
  setStatus(shown, status);
  if (sameValue(owner.status, shown.status)) return undefined;
  const { uid } = storedMeta(owner);
  const change = (draft: O) => {
    if (draft.metadata?.uid === uid) setStatus(draft, status);
  };
  return registry.mutate(kind, nameOf(owner), change, { subresource: 'status' }).catch(ignoreGone);
}
