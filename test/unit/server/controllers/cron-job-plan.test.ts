import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import { parseCron } from '../../../../protocol/cron-schedule.ts';
import type { CronJob, CronJobSpec, CronJobStatus, Job } from '../../../../protocol/generated/models.ts';
import {
  type CronJobPlan,
  planCronJob,
  scheduledTimestamp,
} from '../../../../server/controllers/cron-job/plan.ts';
import { latestTime, nextTime } from '../../../../server/controllers/cron-job/schedule-times.ts';

const utc = (text: string) => Date.parse(`${text}Z`);
const clocked = (text: string, timeZone = 'UTC') => ({ schedule: parseCron(text), timeZone });

function series(text: string, from: string, count: number, timeZone?: string): string[] {
  const times: string[] = [];
  let at: number | undefined = utc(from);
  for (let index = 0; index < count; index += 1) {
    at = nextTime(clocked(text, timeZone), at ?? 0);
    if (at === undefined) break;
    times.push(new Date(at).toISOString().slice(0, 16));
  }
  return times;
}

suite('the times of a schedule', () => {
  test('are the next that all fields allow, days of month and week each being enough', () => {
    assert.deepEqual(series('*/20 3 * * *', '2026-01-31T03:30', 2), ['2026-01-31T03:40', '2026-02-01T03:00']);
    assert.deepEqual(series('0 0 29 2 *', '2026-01-01T00:00', 1), ['2028-02-29T00:00']);
    assert.deepEqual(series('0 12 13 * 5', '2026-03-01T00:00', 4), [
      '2026-03-06T12:00',
      '2026-03-13T12:00',
      '2026-03-20T12:00',
      '2026-03-27T12:00',
    ]);
    assert.deepEqual(series('@every 90s', '2026-01-01T00:00', 2), ['2026-01-01T00:01', '2026-01-01T00:03']);
    assert.deepEqual(series('0 0 30 2 *', '2026-01-01T00:00', 1), []);
  });

  test('follow the clocks of their zone, and an hour that these skip is skipped', () => {
    assert.deepEqual(series('0 9 * * *', '2026-03-28T00:00', 2, 'Europe/Berlin'), [
      '2026-03-28T08:00',
      '2026-03-29T07:00',
    ]);
    assert.deepEqual(series('30 2 * * *', '2026-03-28T12:00', 1, 'Europe/Berlin'), ['2026-03-30T00:30']);
    assert.deepEqual(series('0 0 * * *', '2026-09-05T00:00', 2, 'America/Santiago'), [
      '2026-09-05T04:00',
      '2026-09-07T03:00',
    ]);
    assert.deepEqual(series('45 5 * * *', '2026-01-01T00:00', 1, 'Asia/Kathmandu'), ['2026-01-02T00:00']);
  });

  test('that went by are found from the end, however long ago the first was', () => {
    const found = latestTime(clocked('* * * * *'), {
      afterMs: utc('2020-01-01T00:00'),
      nowMs: utc('2026-01-01T00:00:30'),
    });
    assert.deepEqual(found, { atMs: utc('2026-01-01T00:00'), missed: 3_156_480 });
    const sparse = clocked('0-1 8 1 1 *');
    assert.equal(
      latestTime(sparse, { afterMs: utc('2020-06-01T00:00'), nowMs: utc('2025-12-01T00:00') })?.atMs,
      utc('2025-01-01T08:01'),
    );
  });

  test('the latest is the last of those that one walks to from the first', () => {
    const schedules = fc.constantFrom(
      '* * * * *',
      '*/7 * * * *',
      '5 */3 * * *',
      '0 4 * * 1',
      '15 9,17 1,15 * *',
      '@every 95s',
    );
    const start = utc('2026-03-20T00:00');
    fc.assert(
      fc.property(
        schedules,
        fc.nat({ max: 3000 }),
        fc.constantFrom('UTC', 'Europe/Berlin'),
        (text, minutes, zone) => {
          const nowMs = start + minutes * 60_000;
          let walked: number | undefined;
          for (
            let at = nextTime(clocked(text, zone), start);
            at !== undefined && at <= nowMs;
            at = nextTime(clocked(text, zone), at)
          )
            walked = at;
          const found = latestTime(clocked(text, zone), { afterMs: start, nowMs })?.atMs;
          // `@every` counts from wherever one asks, which is the same only walking from the start.
          if (text.startsWith('@')) assert.equal(found === undefined, walked === undefined);
          else assert.equal(found, walked);
        },
      ),
      { numRuns: 40 },
    );
  });
});

const now = utc('2026-01-01T12:00:30');

function cronJob(spec: Partial<CronJobSpec> = {}, status: CronJobStatus = {}): CronJob {
  return {
    metadata: { name: 'tick', namespace: 'default', uid: 'tick', creationTimestamp: '2026-01-01T11:59:30Z' },
    spec: {
      schedule: '* * * * *',
      jobTemplate: {},
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      ...spec,
    },
    status,
  };
}

function job(name: string, end?: 'Complete' | 'Failed', begun = '2026-01-01T11:00:00Z'): Job {
  return {
    metadata: { name, namespace: 'default', uid: name, resourceVersion: '1' },
    status: {
      startTime: begun,
      ...(end ? { conditions: [{ type: end, status: 'True' }], completionTime: '2026-01-01T11:30:00Z' } : {}),
    },
  };
}

const active = (...names: string[]) => ({ active: names.map((name) => ({ name, uid: name })) });
const reasons = ({ events }: CronJobPlan) => events.map(({ reason }) => reason);
const minute = Math.floor(now / 60_000);

suite('a CronJob', () => {
  test('starts one Job for a scheduled time, named by it, and waits for the next', () => {
    const due = planCronJob(cronJob(), [], now);
    assert.deepEqual(due.start, { name: `tick-${minute}`, scheduledMs: utc('2026-01-01T12:00') });
    assert.equal(due.wakeAfterMs, 30_000);
    const done = planCronJob(cronJob({}, { lastScheduleTime: '2026-01-01T12:00:00Z' }), [], now);
    assert.equal(done.start, undefined);
  });

  test('starts nothing while it is suspended or being deleted', () => {
    assert.equal(planCronJob(cronJob({ suspend: true }), [], now).start, undefined);
    const going = cronJob();
    if (going.metadata) going.metadata.deletionTimestamp = '2026-01-01T12:00:00Z';
    assert.equal(planCronJob(going, [], now).start, undefined);
  });

  test('makes up for the latest missed time alone, says so when there were many, and for none that is too old', () => {
    const late = cronJob({}, { lastScheduleTime: '2026-01-01T09:00:00Z' });
    const plan = planCronJob(late, [], now);
    assert.deepEqual([plan.start?.name, reasons(plan)], [`tick-${minute}`, ['TooManyMissedTimes']]);
    const strict = cronJob(
      { schedule: '0 * * * *', startingDeadlineSeconds: 10 },
      { lastScheduleTime: '2026-01-01T11:00:00Z' },
    );
    const missed = planCronJob(strict, [], now);
    assert.deepEqual([missed.start, reasons(missed)], [undefined, ['MissSchedule']]);
    assert.match(missed.events[0]?.message ?? '', /Thu, 01 Jan 2026 12:00:00 \+0000$/);
    const inTime = cronJob(
      { schedule: '0 * * * *', startingDeadlineSeconds: 60 },
      { lastScheduleTime: '2026-01-01T11:00:00Z' },
    );
    assert.equal(planCronJob(inTime, [], now).start?.name, `tick-${minute}`);
  });

  test('starts beside, instead of, or not at all while a Job of it runs, as its policy says', () => {
    const runs = [job('tick-1')];
    const started = (concurrencyPolicy: string) =>
      planCronJob(cronJob({ concurrencyPolicy }, active('tick-1')), runs, now);
    assert.deepEqual([started('Allow').start !== undefined, started('Allow').replace.length], [true, 0]);
    assert.deepEqual(
      [started('Forbid').start, reasons(started('Forbid'))],
      [undefined, ['JobAlreadyActive']],
    );
    assert.deepEqual([started('Replace').start !== undefined, started('Replace').replace.length], [true, 1]);
  });

  test('forgets Jobs that ended or are gone, and keeps as many ended ones as it shall', () => {
    const jobs = [job('a', 'Complete', '1'), job('b', 'Complete', '2'), job('c', 'Failed'), job('d')];
    const plan = planCronJob(cronJob({ suspend: true }, active('b', 'd', 'gone')), jobs, now);
    assert.deepEqual(
      plan.status.active?.map(({ name }) => name),
      ['d'],
    );
    assert.deepEqual(reasons(plan), ['SawCompletedJob', 'MissingJob']);
    assert.equal(plan.status.lastSuccessfulTime, '2026-01-01T11:30:00Z');
    assert.deepEqual(
      plan.outdated.map(({ metadata }) => metadata?.name),
      ['a'],
    );
  });

  test('writes the scheduled time as its zone reads it', () => {
    assert.equal(scheduledTimestamp(cronJob(), now), '2026-01-01T12:00:30Z');
    assert.equal(
      scheduledTimestamp(cronJob({ timeZone: 'America/New_York' }), now),
      '2026-01-01T07:00:30-05:00',
    );
  });

  test('never starts two Jobs for one time, nor one for a time to come, wherever it is cut off', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat({ max: 200_000 }), fc.boolean()), { minLength: 1, maxLength: 40 }),
        (steps) => {
          const names = new Set<string>();
          let at = now;
          let status: CronJobStatus = {};
          for (const [elapsedMs, isCutOff] of steps) {
            at += elapsedMs;
            const { start } = planCronJob(cronJob({}, status), [], at);
            if (!start) continue;
            assert.ok(start.scheduledMs <= at);
            // After a cut it is the same name again, or that of a later time.
            assert.ok(isCutOff || !names.has(`done ${start.name}`));
            if (isCutOff) continue;
            names.add(`done ${start.name}`);
            status = { lastScheduleTime: new Date(start.scheduledMs).toISOString() };
          }
        },
      ),
      { numRuns: 40 },
    );
  });
});
