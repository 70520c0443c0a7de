import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Counters } from '../../../../agent/stats/read-usage.ts';
import { usageMessage } from '../../../../agent/stats/serve-usage.ts';
import { createUsageMeter, type RunningContainer } from '../../../../agent/stats/usage-meter.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

/** Containers whose processes use as many cores as the test says. */
function machine() {
  const clock = new ManualClock();
  const containers = new Map<number, { container: RunningContainer; cores: number }>();
  const began = clock.monotonic();
  let looks = 0;
  const used = (cores: number, sinceMs: number): Counters => ({
    cpuNanos: cores * (clock.monotonic() - sinceMs) * 1e6,
    workingSetBytes: 1000,
  });
  const meter = createUsageMeter({
    clock,
    running: () => [...containers.values()].map(({ container }) => container),
    reader: {
      group: async (pid) => {
        looks++;
        const { cores, container } = containers.get(pid) ?? assert.fail();
        return used(cores, began + (container.startedAtMs - Date.UTC(2026, 0, 1)));
      },
      tree: async () => undefined,
      processes: async () => undefined,
      pod: async () => undefined,
      host: async () => used(0.5, began),
    },
  });
  const start = (pid: number, cores: number) => {
    const startedAtMs = clock.now();
    const container = {
      podUid: `uid-${pid}`,
      namespace: 'ns',
      pod: `p${pid}`,
      container: 'main',
      attempt: 0,
      pid,
      startedAtMs,
    };
    containers.set(pid, { container, cores });
  };
  const measure = async () => {
    const measured = meter.measure();
    await clock.advance(1_000);
    return measured;
  };
  const cores = async (pid: number) => {
    const figures = (await measure()).pods.get(`uid-${pid}`)?.get('main');
    return figures && figures.cpuNanocores / 1e9;
  };
  return { clock, start, measure, cores, meter, looks: () => looks };
}

test('the first asker gets the use of one second, later ones that since the asker before', async () => {
  const { clock, start, measure } = machine();
  start(1, 0.25);
  await clock.advance(60_000);
  const first = await measure();
  assert.equal(first.windowMs, 1_000);
  assert.equal(first.pods.get('uid-1')?.get('main')?.cpuNanocores, 0.25e9);
  assert.equal(first.node?.cpuNanocores, 0.5e9);
  await clock.advance(15_000);
  assert.equal((await measure()).windowMs, 15_000);
});

test('askers within five seconds, or at once, share a look', async () => {
  const { clock, start, meter, looks } = machine();
  start(1, 1);
  const both = Promise.all([meter.measure(), meter.measure()]);
  await clock.advance(1_000);
  const [one, other] = await both;
  assert.equal(one, other);
  assert.equal(await meter.measure(), one);
  assert.equal(looks(), 2);
});

test('a container that began within the window is averaged over its life', async () => {
  const { clock, start, cores, measure } = machine();
  await measure();
  await clock.advance(10_000);
  start(2, 1);
  await clock.advance(4_000);
  assert.equal(await cores(2), 1);
});

test('an answer names the pods that were asked for and how old it is', async () => {
  const { clock, start, measure } = machine();
  start(1, 1);
  start(2, 1);
  const measured = await measure();
  await clock.advance(3_000);
  const message = usageMessage(measured, { id: 'q', pods: ['uid-2'], nowMs: clock.monotonic() });
  assert.deepEqual(message.pods, { 'uid-2': { main: [1e9, 1000] } });
  assert.equal(message.ageMs, clock.monotonic() - measured.measuredAtMs);
  assert.deepEqual(Object.keys(usageMessage(measured, { id: 'q', nowMs: clock.monotonic() }).pods).length, 2);
});
