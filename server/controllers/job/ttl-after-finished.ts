import type { Job } from '../../../protocol/generated/models.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import { objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';

/** Deletes Jobs, with their pods, `ttlSecondsAfterFinished` after they ended. */
export const ttlAfterFinishedController = defineController({
  name: 'ttl-after-finished',
  workers: 2,
  setup({ cache, clock, registry, follow }, enqueue) {
    const jobs = cache.informer(jobKind);
    follow(jobs, ({ type, object }) => {
      if (type !== 'deleted' && expiryMs(object) !== undefined) enqueue(objectKey(object));
    });
    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const at = { namespace, name };
      const shown = jobs.get(namespace, name);
      const expected = shown && expiryMs(shown);
      if (expected === undefined) return undefined;
      if (expected > clock.now()) return { requeueAfterMs: expected - clock.now() };
      // The time to live may have been made longer a moment ago.
      const job = await registry.get(jobKind, at).catch((error: unknown) => {
        if (isStatus(error, 'NotFound')) return undefined;
        throw error;
      });
      const expiry = job && expiryMs(job);
      if (!job || expiry === undefined || expiry > clock.now()) return undefined;
      const { uid, resourceVersion } = storedMeta(job);
      const preconditions = { uid, resourceVersion };
      await registry
        .delete(jobKind, at, { propagationPolicy: 'Foreground', preconditions })
        .catch(ignoreGone);
      return undefined;
    };
  },
});

/** Milliseconds since 1970; undefined while the Job runs, is going already, or is to stay. */
function expiryMs({ metadata, spec, status }: Readonly<Job>): number | undefined {
  const seconds = spec?.ttlSecondsAfterFinished;
  if (seconds === undefined || metadata?.deletionTimestamp !== undefined) return undefined;
  const end = status?.conditions?.find(
    ({ type, status: value }) => (type === 'Complete' || type === 'Failed') && value === 'True',
  );
  return end?.lastTransitionTime === undefined
    ? undefined
    : Date.parse(end.lastTransitionTime) + seconds * 1000;
}
