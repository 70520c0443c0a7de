import type { ContainerSpec } from '../../../agent/drivers/driver.ts';
import type { HollowBehaviour } from '../../../agent/drivers/hollow-driver.ts';

/** What containers do in the suite: the same words for a shell and for the hollow driver. */
export const scripts = {
  runs: 'while :; do sleep 1000; done',
  exits3: 'exit 3',
  exitsSoon: 'sleep 1; exit 4',
  obeysWith5: 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done',
  ignoresTerm: 'trap "" TERM; echo ready; while :; do sleep 1000; done',
  prints: 'echo one; echo two; echo three',
  printsAndRuns: 'echo one; echo two; while :; do sleep 1000; done',
} as const;

export function hollowBehaviour(spec: ContainerSpec): HollowBehaviour {
  const behaviours: Record<keyof typeof scripts, HollowBehaviour> = {
    runs: {},
    exits3: { exitAfterMs: 0, exitCode: 3 },
    exitsSoon: { exitAfterMs: 1_000, exitCode: 4 },
    obeysWith5: { onTerminate: 5, output: 'ready\n' },
    ignoresTerm: { onTerminate: 'never', output: 'ready\n' },
    prints: { output: 'one\ntwo\nthree\n', exitAfterMs: 0 },
    printsAndRuns: { output: 'one\ntwo\n' },
  };
  const name = Object.entries(scripts).find(([, script]) => script === spec.command[2])?.[0];
  return name === undefined ? {} : behaviours[name as keyof typeof scripts];
}
