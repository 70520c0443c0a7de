import { jobKind } from '../../../protocol/kinds/job.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { controllerOf, objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { Registry } from '../../registry/registry.ts';
import { defineController } from '../define-controller.ts';
import { addOnce, byControllerUid } from '../indexes.ts';
import { dropTracking } from './drop-tracking.ts';
import { isTracked } from './job-pods.ts';

/** Pods whose Job is gone, or that no Job controls, are counted by nobody: nothing shall hold them. */
export const orphanedJobPodsController = defineController({
  name: 'orphaned-job-pods',
  workers: 2,
  setup(context, enqueue) {
    const jobs = context.cache.informer(jobKind);
    const pods = context.cache.informer(podKind);
    addOnce(pods, byControllerUid);
    context.follow(jobs, ({ type, object }) => {
      if (type !== 'deleted') return;
      for (const pod of pods.byIndex(byControllerUid.name, storedMeta(object).uid)) enqueue(objectKey(pod));
    });
    context.follow(pods, ({ type, object }) => {
      if (type === 'deleted' || !isTracked(object)) return;
      const owner = controllerOf(object);
      if (!owner || !jobs.getByUid(owner.uid)) enqueue(objectKey(object));
    });
    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const pod = pods.get(namespace, name);
      if (!pod || !isTracked(pod)) return;
      const owner = controllerOf(pod);
      if (owner && (jobs.getByUid(owner.uid) || (await jobExists(context.registry, { namespace, owner }))))
        return;
      await dropTracking(context, pod);
    };
  },
});

/** The cache may not show a Job that was just made. */
async function jobExists(
  registry: Registry,
  { namespace, owner }: { namespace: string; owner: { name: string; uid: string } },
): Promise<boolean> {
  try {
    const { metadata } = await registry.get(jobKind, { namespace, name: owner.name });
    return metadata?.uid === owner.uid;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return false;
    throw error;
  }
}
