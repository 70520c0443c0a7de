import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulateRollouts } from './rollouts/simulate-rollouts.ts';

/**
 * `FLOTILLA_ROLLOUT_SEEDS=1000` runs the long form, `FLOTILLA_ROLLOUT_FIRST=n` starts elsewhere. A seed replays exactly as long as the
 * sources are the same; a change of them makes it another story. So what a seed finds gets a test of its own, by its cause.
 */
const first = Number(process.env.FLOTILLA_ROLLOUT_FIRST ?? 1);
const count = Number(process.env.FLOTILLA_ROLLOUT_SEEDS ?? 1);
const seeds = Array.from({ length: count }, (_, index) => first + index);

test(`no rule of a rollout is broken on a fleet of 200, whatever happens to it (${seeds.length} seeds)`, async (t) => {
  const failed: unknown[] = [];
  for (const seed of seeds) await simulateRollouts(seed).catch((error: unknown) => failed.push(error));
  for (const error of failed) t.diagnostic(String(error));
  assert.equal(failed.length, 0, `${failed.length} of ${seeds.length} seeds broke a rule`);
});

test('a seed replays exactly, so that one that failed can be looked at', async () => {
  assert.equal(await simulateRollouts(first, 100), await simulateRollouts(first, 100));
});
