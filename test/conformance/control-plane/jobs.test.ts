import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { CronJob, Job, JobSpec, Pod } from '../../../protocol/generated/models.ts';
import { cronJobKind } from '../../../protocol/kinds/cron-job.ts';
import { jobKind } from '../../../protocol/kinds/job.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { ControlPlane, isActive } from './control-plane.ts';
import { podSpec } from './workloads.ts';

const at = { namespace: 'default', name: 'work' };
const template = { spec: podSpec('100m', 'v1', { restartPolicy: 'Never' }) };

function job(spec: Partial<JobSpec>): Job {
  return { metadata: { ...at }, spec: { template, ...spec } };
}

/** Lets pods that run end, some of them badly; says how each of them ended. */
function endPods(plane: ControlPlane, signal: AbortSignal): Map<string, string> {
  const ends = new Map<string, string>();
  const end = async (pod: Readonly<Pod>) => {
    const { namespace = '', name, uid } = storedMeta(pod);
    const phase = plane.random.fraction() < 0.3 ? 'Failed' : 'Succeeded';
    const change = (draft: Pod) => {
      if (draft.metadata?.uid === uid) draft.status = { ...draft.status, phase };
    };
    await plane.registry.mutate(podKind, { namespace, name }, change, { subresource: 'status' });
    ends.set(uid, phase);
  };
  void (async () => {
    for await (const change of plane.registry.watch(podKind, { signal })) {
      if (change.type !== 'MODIFIED' || change.object.status?.phase !== 'Running' || !isActive(change.object))
        continue;
      if (!ends.has(storedMeta(change.object).uid)) await end(change.object).catch(() => undefined);
    }
  })();
  return ends;
}

const count = (ends: Map<string, string>, phase: string) =>
  [...ends.values()].filter((end) => end === phase).length;
const ended = async (plane: ControlPlane) => {
  const { status } = await plane.registry.get(jobKind, at);
  return status?.conditions?.some(({ type }) => type === 'Complete' || type === 'Failed') ?? false;
};

suite('a Job', () => {
  for (const completionMode of ['NonIndexed', 'Indexed']) {
    for (let seed = 1; seed <= 3; seed += 1) {
      test(`counts each pod once, ${completionMode}, through crashes (seed ${seed})`, async () => {
        await using plane = await ControlPlane.start(['a', 'b'], seed);
        const abort = new AbortController();
        const ends = endPods(plane, abort.signal);
        await plane.registry.create(
          jobKind,
          job({ completions: 6, parallelism: 3, completionMode, backoffLimit: 100 }),
        );
        for (let round = 0; round < 5; round += 1) {
          await plane.clock.advance(Math.floor(plane.random.fraction() * 200));
          await plane.crash();
          await plane.startWork();
        }
        await plane.until('it has ended', () => ended(plane), 10 * 3_600_000);
        abort.abort();
        const { status } = await plane.registry.get(jobKind, at);
        assert.deepEqual(
          [status?.succeeded, status?.failed ?? 0, status?.uncountedTerminatedPods],
          [6, count(ends, 'Failed'), {}],
        );
        assert.equal(count(ends, 'Succeeded'), 6);
        if (completionMode === 'Indexed') assert.equal(status?.completedIndexes, '0-5');
        assert.ok((await plane.pods()).every(({ metadata }) => (metadata?.finalizers ?? []).length === 0));
      });
    }
  }

  test('that is deleted leaves no pod behind, and one that has lived long enough goes by itself', async () => {
    await using plane = await ControlPlane.start();
    await plane.registry.create(jobKind, job({ completions: 2, parallelism: 2 }));
    await plane.until('two run', async () =>
      (await plane.pods()).every(({ status }) => status?.phase === 'Running'),
    );
    await plane.registry.delete(jobKind, at, { propagationPolicy: 'Background' });
    await plane.until('no pod is left', async () => (await plane.pods()).length === 0);
    const abort = new AbortController();
    endPods(plane, abort.signal);
    await plane.registry.create(jobKind, job({ ttlSecondsAfterFinished: 60, backoffLimit: 100 }));
    await plane.until('it has ended', () => ended(plane), 3_600_000);
    await plane.clock.advance(50_000);
    assert.ok(await plane.find(jobKind, 'work'));
    await plane.until('it is gone', async () => (await plane.find(jobKind, 'work')) === undefined);
    await plane.until('its pods too', async () => (await plane.pods()).length === 0);
    abort.abort();
  });
});

test('a CronJob starts a Job each minute, once, through crashes', async () => {
  await using plane = await ControlPlane.start();
  const cronJob: CronJob = {
    metadata: { ...at },
    spec: { schedule: '* * * * *', concurrencyPolicy: 'Allow', jobTemplate: { spec: { template } } },
  };
  await plane.registry.create(cronJobKind, cronJob);
  for (let minute = 0; minute < 3; minute += 1) {
    await plane.clock.advance(60_010);
    await plane.crash();
    await plane.startWork();
  }
  await plane.untilQuiet();
  const jobs = (await plane.registry.list(jobKind)).items;
  const { status } = await plane.registry.get(cronJobKind, at);
  assert.equal(jobs.length, 3);
  assert.equal(status?.active?.length, 3);
  assert.equal(new Set(jobs.map(({ metadata }) => metadata?.name)).size, 3);
});
