import { forEachLimited } from '../../../lib/for-each-limited.ts';
import type {
  ControllerRevision,
  Pod,
  StatefulSet,
  StatefulSetStatus,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { statefulSetKind } from '../../../protocol/kinds/stateful-set.ts';
import { objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { RevisionHistory, type Revisions } from '../controller-revisions.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid, byNamespace, orphansByNamespace } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { Pacing } from '../pacing.ts';
import { WriteFence } from '../write-fence.ts';
import { executeStep, type StepWork } from './execute-step.ts';
import { ordinalOf, revisionOf } from './ordinals.ts';
import { planStatefulSet, type StatefulSetStep } from './plan.ts';

const stepsAtOnce = 16;

export const statefulSetController = defineController({
  name: 'statefulset',
  workers: 5,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const sets = cache.informer(statefulSetKind);
    const pods = cache.informer(podKind);
    const claims = cache.informer(persistentVolumeClaimKind);
    const setFence = new WriteFence(sets);
    const podFence = new WriteFence(pods);
    const claimFence = new WriteFence(claims);
    const history = new RevisionHistory<StatefulSet>(context, {
      kind: statefulSetKind,
      hashLabel: 'controller.kubernetes.io/hash',
    });
    const pacing = new Pacing(clock);
    const fences = [setFence, podFence, claimFence];
    const selectorOf = ({ spec }: Readonly<StatefulSet>) => spec?.selector;
    followControlled(context, { owners: sets, controlled: pods, selectorOf, enqueue });
    followControlled(context, { owners: sets, controlled: history.informer, selectorOf, enqueue });
    // An ordinal whose claim is on its way out waits until it is gone.
    context.follow(claims, ({ type, object }) => {
      if (type !== 'deleted') return;
      const { namespace = '', name } = storedMeta(object);
      for (const set of sets.byIndex(byNamespace.name, namespace))
        if (name.includes(`-${storedMeta(set).name}-`)) enqueue(objectKey(set));
    });

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const set = sets.get(namespace, name);
      if (!set) return [...fences, history, pacing].forEach((part) => part.forget(key));
      if (!fences.every((fence) => fence.isOpen(key)) || !history.isSettled(key)) return WriteFence.retry;
      const restMs = pacing.restMs(key);
      if (restMs > 0) return { requeueAfterMs: restMs };
      const owned = await adoptAndRelease(context, {
        kind: statefulSetKind,
        owner: set,
        selector: set.spec?.selector ?? {},
        targetKind: podKind,
        controlled: pods.byIndex(byControllerUid.name, storedMeta(set).uid),
        orphans: pods
          .byIndex(orphansByNamespace.name, namespace)
          .filter((pod) => ordinalOf(set, pod) !== undefined),
        wrote: (pod) => podFence.wrote(key, pod),
      });
      const members = owned.filter((pod) => ordinalOf(set, pod) !== undefined);
      const revisions = await history.sync(key, set);
      const wrote = (written: Readonly<StatefulSet>) => setFence.wrote(key, written);
      if (revisions === 'collided') return countCollision(context, set, wrote);
      const current = currentOf(set, revisions);
      const names = { current: storedMeta(current).name, update: storedMeta(revisions.newest).name };
      const claimNamed = (claim: string) => claims.get(namespace, claim);
      const nowMs = clock.now();
      const plan = pacing.run(key, () =>
        planStatefulSet(set, { pods: members, revisions: names, claimNamed, nowMs }),
      );
      const work: StepWork = { context, set, key, podFence, claimFence, claimNamed, current, revisions };
      const failure = await executeAll(work, plan.steps);
      await writeStatus(context, set, plan.status, wrote);
      if (failure) throw failure;
      await history.truncate(key, set, revisions, liveNames(names.current, members));
      return plan.wakeAfterMs === undefined ? undefined : { requeueAfterMs: plan.wakeAfterMs };
    };
  },
});

/** The first alone, for what it meets the others would meet; returns the first failure, after which none begins. */
async function executeAll(work: StepWork, steps: readonly StatefulSetStep[]): Promise<unknown> {
  let failure: unknown;
  const execute = async (step: StatefulSetStep) => {
    if (failure === undefined) await executeStep(work, step).catch((error: unknown) => (failure = error));
  };
  await forEachLimited(steps.slice(0, 1), 1, execute);
  await forEachLimited(steps.slice(1), stepsAtOnce, execute);
  return failure;
}

function currentOf(
  { status }: Readonly<StatefulSet>,
  { newest, old }: Revisions,
): Readonly<ControllerRevision> {
  return old.find((revision) => storedMeta(revision).name === status?.currentRevision) ?? newest;
}

function liveNames(current: string, pods: readonly Readonly<Pod>[]): ReadonlySet<string> {
  return new Set([current, ...pods.map((pod) => revisionOf(pod) ?? '')]);
}

async function countCollision(
  context: ControllerContext,
  set: Readonly<StatefulSet>,
  wrote: (set: Readonly<StatefulSet>) => void,
): Promise<void> {
  const { status } = set;
  const collisionCount = (status?.collisionCount ?? 0) + 1;
  await writeStatus(context, set, { replicas: 0, ...status, collisionCount }, wrote);
}

async function writeStatus(
  { registry }: ControllerContext,
  set: Readonly<StatefulSet>,
  status: StatefulSetStatus,
  wrote: (set: Readonly<StatefulSet>) => void,
): Promise<void> {
  if (sameValue(set.status, status)) return;
  const { uid } = storedMeta(set);
  const change = (draft: StatefulSet) => {
    if (draft.metadata?.uid === uid) draft.status = status;
  };
  const written = await registry
    .mutate(statefulSetKind, nameOf(set), change, { subresource: 'status' })
    .catch(ignoreGone);
  if (written) wrote(written);
}
