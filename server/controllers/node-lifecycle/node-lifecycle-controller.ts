import { forEachLimited } from '../../../lib/for-each-limited.ts';
import type { Node, Pod, Taint } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { markDisrupted } from '../../../protocol/kinds/pod-status.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { addOnce, byNodeName } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { SharedSilence } from './shared-silence.ts';
import { evictionTimeMs, isReady, planTaints } from './taints.ts';

/** A pod whose node was never seen may be ahead of it: the device is being joined (Kubernetes waits as long). */
const unknownNodeGraceMs = 40_000;
const deletesAtOnce = 16;

/**
 * Turns what is known of a node into taints, and takes pods off a node only where their tolerations say so. A pod on a
 * silent device is presumed running: by default it tolerates `unreachable` without an end (set at admission), so it is
 * neither evicted nor doubled. A Node that was deleted is gone for good, and its pods with it.
 */
export const nodeLifecycleController = defineController({
  name: 'node-lifecycle',
  workers: 4,
  setup(context, enqueue) {
    const { cache, clock, follow } = context;
    const nodes = cache.informer(nodeKind);
    const pods = cache.informer(podKind);
    addOnce(pods, byNodeName);
    /** When the pods of a node that is not there may go; monotonic milliseconds. */
    const deadlines = new Map<string, number>();
    const silence = new SharedSilence(clock, enqueue);
    follow(nodes, ({ type, object }) => {
      const { name } = storedMeta(object);
      silence.hear(name, type !== 'deleted' && isReady(object));
      if (type === 'deleted') deadlines.set(name, clock.monotonic());
      else deadlines.delete(name);
      enqueue(name);
    });
    follow(pods, ({ type, object }) => {
      const node = object.spec?.nodeName;
      if (node && type !== 'deleted' && mayHaveToGo(nodes.get(undefined, node))) enqueue(node);
    });

    return async (name) => {
      const node = nodes.get(undefined, name);
      const bound = pods.byIndex(byNodeName.name, name);
      if (node) return tendNode(context, node, { bound, silence });
      if (bound.length === 0) return void deadlines.delete(name);
      const deadline = deadlines.get(name) ?? clock.monotonic() + unknownNodeGraceMs;
      deadlines.set(name, deadline);
      const wait = deadline - clock.monotonic();
      if (wait > 0) return { requeueAfterMs: wait };
      await removeAll(context, bound, name);
    };
  },
});

function mayHaveToGo(node: Readonly<Node> | undefined): boolean {
  return !node || (node.spec?.taints ?? []).some((taint) => taint.effect === 'NoExecute');
}

async function tendNode(
  context: ControllerContext,
  node: Readonly<Node>,
  { bound, silence }: { bound: readonly Readonly<Pod>[]; silence: SharedSilence },
): Promise<{ requeueAfterMs?: number } | void> {
  await writeTaints(context, node);
  if (isOutOfService(node)) await releaseAll(context, bound);
  const wait = await evict(context, bound, silence.taintsThatCount(node));
  return wait === undefined ? undefined : { requeueAfterMs: wait };
}

/** Somebody vouches that the device is off: what shall go from it need not be confirmed (Kubernetes' taint). */
function isOutOfService({ spec, status = {} }: Readonly<Node>): boolean {
  const taint = spec?.taints?.find(({ key }) => key === 'node.kubernetes.io/out-of-service');
  return !isReady({ status }) && taint?.effect === 'NoExecute';
}

async function releaseAll(context: ControllerContext, bound: readonly Readonly<Pod>[]): Promise<void> {
  const going = bound.filter(({ metadata }) => metadata?.deletionTimestamp !== undefined);
  await forEachLimited(going, deletesAtOnce, (pod) => remove(context, pod, { gracePeriodSeconds: 0 }));
}

async function writeTaints({ registry, clock }: ControllerContext, node: Readonly<Node>): Promise<void> {
  if (sameValue(planTaints(node, clock.now()), node.spec?.taints ?? [])) return;
  await registry
    .mutate(nodeKind, nameOf(node), (draft) => {
      const { taints: _old, ...spec } = draft.spec ?? {};
      const taints = planTaints(draft, clock.now());
      draft.spec = taints.length > 0 ? { ...spec, taints } : spec;
    })
    .catch(ignoreGone);
}

/** Deletes the pods whose time has come; returns milliseconds until the next one's. */
async function evict(
  context: ControllerContext,
  bound: readonly Readonly<Pod>[],
  taints: readonly Taint[],
): Promise<number | undefined> {
  if (!taints.some(({ effect }) => effect === 'NoExecute')) return undefined;
  const now = context.clock.now();
  let next: number | undefined;
  const due: Readonly<Pod>[] = [];
  for (const pod of bound) {
    if (pod.metadata?.deletionTimestamp !== undefined) continue;
    const at = evictionTimeMs(pod.spec?.tolerations ?? [], taints, now);
    if (at === undefined) continue;
    if (at <= now) due.push(pod);
    else next = Math.min(next ?? at - now, at - now);
  }
  await forEachLimited(due, deletesAtOnce, async (pod) => {
    context.events.record(podKind, pod, {
      type: 'Normal',
      reason: 'TaintManagerEviction',
      message: `Marking for deletion Pod ${pod.metadata?.namespace}/${pod.metadata?.name}`,
    });
    await markGone(context, pod, evicted);
    await remove(context, pod, {});
  });
  return next;
}

async function removeAll(
  context: ControllerContext,
  bound: readonly Readonly<Pod>[],
  node: string,
): Promise<void> {
  // The cache may not show a Node that was just made: ask the registry.
  if (await nodeExists(context, node)) return;
  context.log.info('removing the pods of a deleted node', { node, pods: bound.length });
  await forEachLimited(bound, deletesAtOnce, async (pod) => {
    await markGone(context, pod, nodeGone);
    await remove(context, pod, { gracePeriodSeconds: 0 });
  });
}

const evicted = {
  reason: 'DeletionByTaintManager',
  message: 'Taint manager: deleting due to NoExecute taint',
};
const nodeGone = { reason: 'DeletionByPodGC', message: 'PodGC: node no longer exists' };

/** Says in the pod's status that it did not fail by itself: a Job's failure policy reads that. */
async function markGone(
  { registry, clock }: ControllerContext,
  pod: Readonly<Pod>,
  why: { reason: string; message: string },
): Promise<void> {
  const { uid } = storedMeta(pod);
  const change = (draft: Pod) => {
    if (draft.metadata?.uid !== uid || draft.status?.phase === 'Succeeded') return;
    markDisrupted(draft, why, clock.now());
    // Its device can say nothing more of it.
    if (why === nodeGone && draft.status) draft.status.phase = 'Failed';
  };
  await registry.mutate(podKind, nameOf(pod), change, { subresource: 'status' }).catch(ignoreGone);
}

async function nodeExists({ registry }: ControllerContext, name: string): Promise<boolean> {
  try {
    await registry.get(nodeKind, { name });
    return true;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return false;
    throw error;
  }
}

async function remove(
  { registry }: ControllerContext,
  pod: Readonly<Pod>,
  grace: { gracePeriodSeconds?: number },
): Promise<void> {
  const preconditions = { uid: storedMeta(pod).uid };
  await registry.delete(podKind, nameOf(pod), { preconditions, ...grace }).catch(ignoreGone);
}
