import { test } from 'node:test';
import { simulate } from './simulate.ts';

/**
 * Seeds that once failed stay for ever. `FLOTILLA_SIM_SEEDS=2000` runs the long form, `FLOTILLA_SIM_FIRST=n` starts
 * elsewhere.
 */
const keptSeeds: readonly number[] = [];
const first = Number(process.env.FLOTILLA_SIM_FIRST ?? 1);
const count = Number(process.env.FLOTILLA_SIM_SEEDS ?? 30);
const seeds = [...keptSeeds, ...Array.from({ length: count }, (_, index) => first + index)];

test(`server and devices agree after any faults, and no rule is broken on the way (${seeds.length} seeds)`, async () => {
  for (const seed of seeds) await simulate(seed);
});
