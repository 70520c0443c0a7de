import { forEachLimited } from '../../../lib/for-each-limited.ts';
import type { Job, JobStatus, Pod } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid, orphansByNamespace } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { Pacing } from '../pacing.ts';
import { createPods, type PodWork, removePods } from '../pod-control.ts';
import { WriteFence } from '../write-fence.ts';
import { buildPod } from './build-pod.ts';
import { dropTracking } from './drop-tracking.ts';
import { type JobPlan, planJob } from './plan.ts';

const ownName = 'kubernetes.io/job-controller';
const writesAtOnce = 16;

export const jobController = defineController({
  name: 'job',
  workers: 5,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const jobs = cache.informer(jobKind);
    const pods = cache.informer(podKind);
    const podFence = new WriteFence(pods);
    const jobFence = new WriteFence(jobs);
    const pacing = new Pacing(clock);
    const selectorOf = ({ spec }: Readonly<Job>) => spec?.selector;
    followControlled(context, { owners: jobs, controlled: pods, selectorOf, enqueue });

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const job = jobs.get(namespace, name);
      if (!job) return [podFence, jobFence, pacing].forEach((part) => part.forget(key));
      if ((job.spec?.managedBy ?? ownName) !== ownName) return undefined;
      if (!podFence.isOpen(key) || !jobFence.isOpen(key)) return WriteFence.retry;
      const restMs = pacing.restMs(key);
      if (restMs > 0) return { requeueAfterMs: restMs };
      const work: PodWork<Job> = { context, kind: jobKind, owner: job, fence: podFence, key };
      const owned = await adoptAndRelease(context, {
        kind: jobKind,
        owner: job,
        selector: job.spec?.selector ?? {},
        targetKind: podKind,
        controlled: pods.byIndex(byControllerUid.name, storedMeta(job).uid),
        orphans: pods.byIndex(orphansByNamespace.name, namespace),
        wrote: (pod) => podFence.wrote(key, pod),
      });
      const nowMs = clock.now();
      const plan = pacing.run(key, () => planJob(job, owned, nowMs));
      await execute(work, plan, (written) => jobFence.wrote(key, written));
      return plan.wakeAfterMs === undefined ? undefined : { requeueAfterMs: plan.wakeAfterMs };
    };
  },
});

/** Also when pods cannot be made what has ended is counted. */
async function execute(
  work: PodWork<Job>,
  plan: JobPlan,
  wrote: (job: Readonly<Job>) => void,
): Promise<void> {
  const { context, owner } = work;
  await untrack(work, plan.discard);
  const failure =
    (await removePods(work, [...plan.discard, ...plan.stop])) ??
    (await createPods(
      work,
      plan.create.map((wanted) => buildPod(owner, wanted)),
    ));
  const isWritten = await writeStatus(context, owner, plan.status, wrote);
  if (isWritten) {
    for (const event of plan.events) context.events.record(jobKind, owner, event);
    await untrack(work, plan.release);
  }
  if (failure) throw new Error(failure.message);
}

async function untrack(work: PodWork<Job>, pods: readonly Readonly<Pod>[]): Promise<void> {
  await forEachLimited(pods, writesAtOnce, async (pod) => {
    const written = await dropTracking(work.context, pod);
    if (!written) return;
    // A pod that was held by this alone is gone with it.
    if (written.metadata?.deletionGracePeriodSeconds !== 0) work.fence.wrote(work.key, written);
    else work.fence.deleted(work.key, storedMeta(pod).uid);
  });
}

/**
 * Writes over exactly the status that the plan was made from, so that no end is counted twice. False when the Job is gone
 * or its status is another by now; then its change has queued it again.
 */
async function writeStatus(
  { registry }: ControllerContext,
  job: Readonly<Job>,
  status: JobStatus,
  wrote: (job: Readonly<Job>) => void,
): Promise<boolean> {
  if (sameValue(job.status, status)) return true;
  const { uid } = storedMeta(job);
  const written = await registry
    .mutate(
      jobKind,
      nameOf(job),
      (draft) => {
        if (draft.metadata?.uid === uid && sameValue(draft.status, job.status)) draft.status = status;
      },
      { subresource: 'status' },
    )
    .catch(ignoreGone);
  if (!written || written.metadata?.uid !== uid) return false;
  wrote(written);
  return sameValue(written.status, status);
}
