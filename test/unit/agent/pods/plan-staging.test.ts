import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { context, PodLife, pod } from './plan-cases.ts';

const deletion = (graceSeconds: number) => ({
  deletionTimestamp: '2026-01-01T00:00:00Z',
  deletionGracePeriodSeconds: graceSeconds,
});

/** One that runs, is deleted, and whose successor's images are awaited for a minute. */
function held(graceSeconds = 5): { life: PodLife; untilMs: number } {
  const life = new PodLife(pod()).settle();
  const untilMs = life.now.monotonicMs + 60_000;
  life.context = { ...context, awaitsImagesUntilMs: () => untilMs };
  life.wanted = pod({}, deletion(graceSeconds));
  return { life, untilMs };
}

suite('a deleted pod whose successor has no images yet', () => {
  test('goes on, until they are there', () => {
    const { life, untilMs } = held();
    assert.deepEqual([life.steps(), life.plan().wakeAtMs], [[], untilMs]);
    life.context = context;
    assert.deepEqual(life.steps(), ['stop app-0 5000']);
  });

  test('goes on for a limited time', () => {
    const { life } = held();
    life.advance(60_000);
    assert.deepEqual(life.steps(), ['stop app-0 5000']);
  });

  test('is stopped at once when it is to go at once', () => {
    assert.deepEqual(held(0).life.steps(), ['stop app-0 0']);
  });

  test('is torn down when nothing of it runs any more', () => {
    const { life } = held();
    life.exit('app', 1);
    assert.deepEqual(life.steps(), ['remove app-0']);
  });

  test('starts nothing that has ended meanwhile', () => {
    const { life } = held();
    life.exit('app', 0);
    assert.ok(
      !life
        .settle()
        .steps()
        .some((step) => step.startsWith('run')),
    );
  });

  test('that has begun to stop does not stop to stop', () => {
    const { life } = held();
    const awaited = life.context;
    life.context = context;
    life.begin();
    life.context = awaited;
    life.wanted = pod({}, deletion(2));
    assert.deepEqual(life.steps(), ['stop app-0 2000']);
  });
});
