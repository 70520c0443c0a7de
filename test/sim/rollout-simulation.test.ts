import { test } from 'node:test';
import { simulateRollouts } from './rollouts/simulate-rollouts.ts';

/**
 * Seeds that once failed stay for ever. `FLOTILLA_ROLLOUT_SEEDS=1000` runs the long form, `FLOTILLA_ROLLOUT_FIRST=n`
 * starts elsewhere.
 */
const keptSeeds: readonly number[] = [];
const first = Number(process.env.FLOTILLA_ROLLOUT_FIRST ?? 1);
const count = Number(process.env.FLOTILLA_ROLLOUT_SEEDS ?? 1);
const seeds = [...keptSeeds, ...Array.from({ length: count }, (_, index) => first + index)];

test(`no rule of a rollout is broken on a fleet of 200, whatever happens to it (${seeds.length} seeds)`, async () => {
  for (const seed of seeds) await simulateRollouts(seed);
});
