import type {
  ControllerRevision,
  DaemonSet,
  DaemonSetStatus,
  Node,
  Pod,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { RevisionHistory, revisionHashLabel } from '../controller-revisions.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { FailureBackoff } from '../failure-backoff.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid, orphansByNamespace } from '../indexes.ts';
import { isSilent } from '../node-silence.ts';
import { nameOf } from '../object-name.ts';
import { OwnEchoes } from '../own-echoes.ts';
import { Pacing } from '../pacing.ts';
import { createPods, type PodFailure, type PodWork, removePods } from '../pod-control.ts';
import { PolicyBook } from '../rollout-policy/policy-book.ts';
import { WriteFence } from '../write-fence.ts';
import { buildPod, daemonTolerations, fitOf, targetNode } from './node-fit.ts';
import { type DaemonSetPlan, planDaemonSet } from './plan.ts';
import { findRevision, hashOf, liveNames, rollBack, rulesOf, withTemplate } from './revisions.ts';

/** Between two replacements of a pod that fails on a node. */
const failedPodBackoff = { baseMs: 1_000, capMs: 15 * 60_000 };

export const daemonSetController = defineController({
  name: 'daemonset',
  workers: 2,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const daemonSets = cache.informer(daemonSetKind);
    const pods = cache.informer(podKind);
    const nodes = cache.informer(nodeKind);
    const fence = new WriteFence(pods);
    const hashLabel = revisionHashLabel;
    const history = new RevisionHistory<DaemonSet>(context, { kind: daemonSetKind, hashLabel });
    const backoff = new FailureBackoff(clock, failedPodBackoff);
    const pacing = new Pacing(clock);
    const policies = new PolicyBook(context, { kind: daemonSetKind, owners: daemonSets, enqueue });
    const selectorOf = ({ spec }: Readonly<DaemonSet>) => spec?.selector;
    const echoes = new OwnEchoes<DaemonSet>();
    const owners = { owners: daemonSets, selectorOf, enqueue, isEcho: echoes.isEcho.bind(echoes) };
    followControlled(context, { ...owners, controlled: pods });
    followControlled(context, { ...owners, controlled: history.informer });
    context.follow(nodes, (change) => {
      for (const daemonSet of daemonSets.list()) {
        const concerned =
          change.type === 'updated'
            ? changesFit(daemonSet, change.old, change.object)
            : fits(daemonSet, change.object);
        if (concerned) enqueue(objectKey(daemonSet));
      }
    });

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const daemonSet = daemonSets.get(namespace, name);
      if (!daemonSet) {
        [fence, history, pacing, backoff, echoes].forEach((part) => part.forget(key));
        return policies.clean(key);
      }
      if (!fence.isOpen(key) || !history.isSettled(key) || !policies.isSettled(key)) return WriteFence.retry;
      const restMs = pacing.restMs(key);
      if (restMs > 0) return { requeueAfterMs: restMs };
      const work: PodWork<DaemonSet> = { context, kind: daemonSetKind, owner: daemonSet, fence, key };
      const owned = await adoptAndRelease(context, {
        kind: daemonSetKind,
        owner: daemonSet,
        selector: daemonSet.spec?.selector ?? {},
        targetKind: podKind,
        controlled: pods.byIndex(byControllerUid.name, storedMeta(daemonSet).uid),
        orphans: pods.byIndex(orphansByNamespace.name, namespace),
        wrote: (pod) => fence.wrote(key, pod),
      });
      const revisions = await history.sync(key, daemonSet);
      if (revisions === 'collided') return countCollision(context, daemonSet);
      const hash = revisions.newest.metadata?.labels?.[hashLabel] ?? '';
      const nowMs = clock.now();
      await policies.clean(key, daemonSet);
      const policy = policies.policyOf(daemonSet);
      const rollout = rulesOf({ policy, policies, daemonSet, revisions, owned });
      const plan = pacing.run(key, () =>
        planDaemonSet(daemonSet, { nodes: nodes.list(), pods: owned, hash, nowMs, rollout }),
      );
      if (typeof policy !== 'string' && plan.rollout)
        await policies.save(key, daemonSet, { policy, rollout: plan.rollout });
      if (plan.rollBackTo !== undefined) return rollBack(context, daemonSet, revisions, plan.rollBackTo);
      const ended = dueOf(plan, backoff, key);
      const stable = plan.rollout?.stableRevision;
      const execution = { plan, hash, ended: ended.due, stable: findRevision(revisions, stable) };
      const failure = await execute(work, execution);
      const written = await writeStatus(context, daemonSet, plan.status);
      echoes.wrote(daemonSet, written);
      if (failure) throw new Error(failure.message);
      await history.truncate(key, daemonSet, revisions, liveNames(revisions, owned, stable));
      return soonest([plan.wakeAfterMs, ended.waitMs]);
    };
  },
});

function soonest(waits: readonly (number | undefined)[]): { requeueAfterMs: number } | undefined {
  const known = waits.filter((wait) => wait !== undefined);
  return known.length > 0 ? { requeueAfterMs: Math.min(...known) } : undefined;
}

function fits({ spec }: Readonly<DaemonSet>, node: Readonly<Node>): boolean {
  return fitOf({ template: spec?.template }, node, daemonTolerations(spec?.template?.spec)).mayStay;
}

function changesFit({ spec }: Readonly<DaemonSet>, old: Readonly<Node>, node: Readonly<Node>): boolean {
  const facts = ({ metadata, spec }: Readonly<Node>) => [metadata?.labels, spec?.taints];
  const silenceChanged = isSilent(old) !== isSilent(node);
  if (!silenceChanged && sameValue(facts(old), facts(node))) return false;
  const tolerations = daemonTolerations(spec?.template?.spec);
  const before = fitOf({ template: spec?.template }, old, tolerations);
  const after = fitOf({ template: spec?.template }, node, tolerations);
  return !sameValue(before, after) || (silenceChanged && (after.mayStay || after.shouldRun));
}

/** Pods that failed wait longer each time before they are replaced; those that succeeded do not. */
function dueOf(
  { ended }: DaemonSetPlan,
  backoff: FailureBackoff,
  key: string,
): { due: Readonly<Pod>[]; waitMs: number | undefined } {
  const due: Readonly<Pod>[] = [];
  let waitMs: number | undefined;
  for (const pod of ended) {
    const wait = pod.status?.phase === 'Failed' ? backoff.claim(key, targetNode(pod) ?? '') : 0;
    if (wait === 0) due.push(pod);
    else waitMs = Math.min(waitMs ?? wait, wait);
  }
  return { due, waitMs };
}

interface Execution {
  plan: DaemonSetPlan;
  hash: string;
  ended: readonly Readonly<Pod>[];
  /** What nodes get that a rollout has not come to. */
  stable: Readonly<ControllerRevision> | undefined;
}

async function execute(
  work: PodWork<DaemonSet>,
  { plan, hash, ended, stable }: Execution,
): Promise<PodFailure | undefined> {
  const { owner } = work;
  for (const pod of ended) tellEnded(work, pod);
  const wanted = plan.create.map((node) => buildPod(owner, node, hash));
  if (plan.createStable.length > 0) {
    const before = stable ? withTemplate(owner, stable) : owner;
    const stableHash = stable ? hashOf(stable) : hash;
    wanted.push(...plan.createStable.map((node) => buildPod(before, node, stableHash)));
  }
  return (await createPods(work, wanted)) ?? (await removePods(work, [...plan.remove, ...ended]));
}

function tellEnded({ context, owner }: PodWork<DaemonSet>, pod: Readonly<Pod>): void {
  const failed = pod.status?.phase === 'Failed';
  const { namespace, name } = storedMeta(pod);
  const where = `${namespace}/${name} on node ${pod.spec?.nodeName ?? ''}`;
  context.events.record(daemonSetKind, owner, {
    type: failed ? 'Warning' : 'Normal',
    reason: failed ? 'FailedDaemonPod' : 'SucceededDaemonPod',
    message: failed
      ? `Found failed daemon pod ${where}, will try to kill it`
      : `Found succeeded daemon pod ${where}, will try to delete it`,
  });
}

async function countCollision(context: ControllerContext, daemonSet: Readonly<DaemonSet>): Promise<void> {
  const status = daemonSet.status ?? {
    currentNumberScheduled: 0,
    desiredNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
  };
  await writeStatus(context, daemonSet, { ...status, collisionCount: (status.collisionCount ?? 0) + 1 });
}

/** Undefined when there was nothing to write, or nowhere. */
async function writeStatus(
  { registry }: ControllerContext,
  daemonSet: Readonly<DaemonSet>,
  status: DaemonSetStatus,
): Promise<DaemonSet | undefined> {
  if (sameValue(daemonSet.status, status)) return undefined;
  const { uid } = storedMeta(daemonSet);
  const change = (draft: DaemonSet) => {
    if (draft.metadata?.uid === uid) draft.status = status;
  };
  return registry
    .mutate(daemonSetKind, nameOf(daemonSet), change, { subresource: 'status' })
    .catch(ignoreGone);
}
