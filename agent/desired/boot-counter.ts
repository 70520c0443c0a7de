import type { Logger } from '../../lib/log.ts';
import type { Journal } from './journal.ts';

const bootKey = 'boot';

/** Counts this device's agent starts, so that statuses need no flash write each: (boot, seq) orders them. */
export interface BootCounter {
  readonly boot: number;
  /** Goes on from above `floor`: the server remembers a later start than this device does. */
  raise(floor: number): Promise<void>;
}

/**
 * Counts one start. A disk that does not take the number must not keep workloads from starting, so that is only
 * logged: the next start repeats the number, the server's answer raises it.
 */
export async function countBoot(journal: Journal, log: Logger): Promise<BootCounter> {
  const stored = journal.entries.get(bootKey);
  let boot = typeof stored === 'number' ? stored : 0;
  async function set(next: number): Promise<void> {
    boot = next;
    try {
      await journal.write([{ key: bootKey, value: next }]);
    } catch (error) {
      log.warn('boot counter could not be stored', { boot: next, error });
    }
  }
  await set(boot + 1);
  return {
    get boot() {
      return boot;
    },
    async raise(floor) {
      if (boot <= floor) await set(floor + 1);
    },
  };
}
