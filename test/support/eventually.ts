import { setTimeout as wait } from 'node:timers/promises';

/** Resolves when `check` holds; fails with its words when it does not within the time. */
export async function eventually(check: () => boolean, what: string, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!check()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${what}`);
    await wait(2);
  }
}
