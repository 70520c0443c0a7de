import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { ContainerHandle, DriverProbe, RuntimeDriver, SandboxHandle } from '../drivers/driver.ts';
import { createExecutors, type ExecutorOptions } from './executors.ts';
import type { PodEvent } from './pod-state.ts';
import type { Executors } from './steps.ts';

/** A runtime driver in use on this device. */
export interface ActiveDriver {
  driver: RuntimeDriver;
  probe: DriverProbe;
}

/** With what the pod runtime keeps per driver. */
export interface RuntimeSlot extends ActiveDriver {
  executors: Executors<PodEvent>;
  /** `podman` in `podman://<id>`. */
  idScheme: string;
  /** What exists was listed and adopted; before that nothing of this driver is touched. */
  recovered: boolean;
}

export function runtimeSlots(
  drivers: readonly ActiveDriver[],
  shared: Omit<ExecutorOptions, 'driver'>,
): ReadonlyMap<string, RuntimeSlot> {
  return new Map(
    drivers.map(({ driver, probe }) => [
      driver.name,
      {
        driver,
        probe,
        executors: createExecutors({ driver, ...shared }),
        idScheme: probe.version.split('://')[0] || driver.name,
        recovered: false,
      },
    ]),
  );
}

const listRetry = { baseMs: 1_000, capMs: 60_000 };

/** Lists until it works: an engine may come up after the agent. Calls back once, unless aborted first. */
export async function listEventually(
  driver: RuntimeDriver,
  onListed: (found: { sandboxes: SandboxHandle[]; containers: ContainerHandle[] }) => void,
  { clock, log, signal }: { clock: Clock; log: Logger; signal: AbortSignal },
  failures = 0,
): Promise<void> {
  try {
    const found = await driver.list();
    if (!signal.aborted) onListed(found);
  } catch (error) {
    if (signal.aborted) return;
    log.warn('runtime cannot be listed; its pods wait', { runtime: driver.name, error });
    const options = { clock, log, signal };
    clock.after(
      backoffMs(failures + 1, listRetry),
      () => void listEventually(driver, onListed, options, failures + 1),
      { unref: true },
    );
  }
}
