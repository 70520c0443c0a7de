import type { Node, Pod, Taint, Toleration } from '../../protocol/generated/models.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { tolerates } from '../../protocol/tolerations.ts';
import { type ControllerContext, defineController } from './define-controller.ts';
import { ignoreGone } from './ignore-gone.ts';
import { addOnce, type NamedIndex } from './indexes.ts';

/**
 * Turns what is known of a node into taints, and takes pods off a node only where their tolerations say so. A pod on a
 * silent device is presumed running: by default it tolerates `unreachable` without an end (set at admission), so it is
 * neither evicted nor doubled. A Node that was deleted is gone for good, and its pods with it.
 */
export const nodeLifecycleController = defineController({
  name: 'node-lifecycle',
  workers: 4,
  setup(context, enqueue) {
    const nodes = context.cache.informer(nodeKind);
    const pods = context.cache.informer(podKind);
    addOnce(pods, byNodeName);
    nodes.onChange(({ object }) => enqueue(storedMeta(object).name));
    pods.onChange(({ type, object }) => {
      const node = object.spec?.nodeName;
      if (node && type !== 'deleted' && mayNeedEviction(nodes.get(undefined, node))) enqueue(node);
    });
    return async (name) => {
      const node = nodes.get(undefined, name);
      const bound = pods.byIndex(byNodeName.name, name);
      if (!node) return removeAll(context, bound, name);
      await writeTaints(context, node);
      const wait = await evict(context, bound, node.spec?.taints ?? []);
      return wait === undefined ? undefined : { requeueAfterMs: wait };
    };
  },
});

export const byNodeName: NamedIndex = {
  name: 'nodeName',
  values: (object) => {
    const node = (object as Pod).spec?.nodeName;
    return node ? [node] : [];
  },
};

const managedTaints = new Set([
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/unschedulable',
  'node.kubernetes.io/memory-pressure',
  'node.kubernetes.io/disk-pressure',
  'node.kubernetes.io/pid-pressure',
]);

/** The taints a node should carry (Kubernetes' TaintNodesByCondition); those of people stay as they are. */
export function planTaints(node: Readonly<Node>, nowMs: number): Taint[] {
  const current = node.spec?.taints ?? [];
  const condition = (type: string) => node.status?.conditions?.find((entry) => entry.type === type)?.status;
  const ready = condition('Ready');
  const wanted: Taint[] = [];
  const want = (key: string, effect: string) => {
    const existing = current.find((taint) => taint.key === key && taint.effect === effect);
    wanted.push(
      existing ?? { key, effect, ...(effect === 'NoExecute' ? { timeAdded: timestamp(nowMs) } : {}) },
    );
  };
  if (ready === 'False')
    for (const effect of ['NoSchedule', 'NoExecute']) want('node.kubernetes.io/not-ready', effect);
  if (ready === 'Unknown')
    for (const effect of ['NoSchedule', 'NoExecute']) want('node.kubernetes.io/unreachable', effect);
  if (node.spec?.unschedulable) want('node.kubernetes.io/unschedulable', 'NoSchedule');
  if (condition('MemoryPressure') === 'True') want('node.kubernetes.io/memory-pressure', 'NoSchedule');
  if (condition('DiskPressure') === 'True') want('node.kubernetes.io/disk-pressure', 'NoSchedule');
  if (condition('PIDPressure') === 'True') want('node.kubernetes.io/pid-pressure', 'NoSchedule');
  return [...current.filter((taint) => !managedTaints.has(taint.key)), ...wanted];
}

/** When a pod must leave a node with these taints: milliseconds since 1970, or undefined for never. */
export function evictionTimeMs(
  tolerations: readonly Toleration[],
  taints: readonly Taint[],
  nowMs: number,
): number | undefined {
  const times = taints
    .filter((taint) => taint.effect === 'NoExecute')
    .map((taint) => {
      const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
      if (matching.length === 0) return nowMs;
      const limits = matching.flatMap((toleration) => toleration.tolerationSeconds ?? []);
      if (limits.length === 0) return Number.POSITIVE_INFINITY;
      const since = taint.timeAdded === undefined ? nowMs : Date.parse(taint.timeAdded);
      return since + Math.max(0, Math.min(...limits)) * 1000;
    });
  const earliest = Math.min(Number.POSITIVE_INFINITY, ...times);
  return Number.isFinite(earliest) ? earliest : undefined;
}

function mayNeedEviction(node: Readonly<Node> | undefined): boolean {
  return !node || (node.spec?.taints ?? []).some((taint) => taint.effect === 'NoExecute');
}

async function writeTaints({ registry, clock }: ControllerContext, node: Readonly<Node>): Promise<void> {
  if (JSON.stringify(planTaints(node, clock.now())) === JSON.stringify(node.spec?.taints ?? [])) return;
  await registry
    .mutate(nodeKind, { name: storedMeta(node).name }, (draft) => {
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
  const now = context.clock.now();
  let next: number | undefined;
  for (const pod of bound) {
    if (pod.metadata?.deletionTimestamp !== undefined) continue;
    const at = evictionTimeMs(pod.spec?.tolerations ?? [], taints, now);
    if (at === undefined) continue;
    if (at > now) {
      next = Math.min(next ?? at - now, at - now);
      continue;
    }
    context.events.record(podKind, pod, {
      type: 'Normal',
      reason: 'TaintManagerEviction',
      message: `Marking for deletion Pod ${pod.metadata?.namespace}/${pod.metadata?.name}`,
    });
    await remove(context, pod, undefined);
  }
  return next;
}

async function removeAll(
  context: ControllerContext,
  bound: readonly Readonly<Pod>[],
  node: string,
): Promise<void> {
  // The Node may be created a moment after its pod was bound by hand: ask the registry, not the cache.
  const exists = await context.registry.get(nodeKind, { name: node }).then(
    () => true,
    (error: unknown) => !isStatus(error, 'NotFound'),
  );
  if (exists) return;
  for (const pod of bound) {
    context.log.info('removing a pod of a deleted node', { pod: pod.metadata?.name, node });
    await remove(context, pod, 0);
  }
}

async function remove(
  context: ControllerContext,
  pod: Readonly<Pod>,
  gracePeriodSeconds: number | undefined,
): Promise<void> {
  const { namespace = 'default', name, uid } = storedMeta(pod);
  await context.registry
    .delete(
      podKind,
      { namespace, name },
      { preconditions: { uid }, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) },
    )
    .catch(ignoreGone);
}
