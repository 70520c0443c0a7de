import type { OpenDriver } from '../drivers/registry.ts';
import { createExecutors, type ExecutorOptions } from './executors.ts';
import { Limiter } from './limiter.ts';
import type { PodEvent } from './pod-state.ts';
import type { Executors } from './steps.ts';

/** A runtime in use on this device, with what the pod runtime keeps for it. */
export interface RuntimeSlot extends OpenDriver {
  executors: Executors<PodEvent>;
  /** `podman` in `podman://<id>`. */
  idScheme: string;
  /** What exists was listed and adopted; before that nothing of this driver is touched. */
  recovered: boolean;
}

const operationsAtOnceMax = 4;

/** Each with limits of its own: one that hangs holds up nobody else's pods. */
export function runtimeSlots(
  drivers: readonly OpenDriver[],
  shared: Omit<ExecutorOptions, 'driver' | 'operations'>,
): ReadonlyMap<string, RuntimeSlot> {
  return new Map(
    drivers.map(({ driver, probe, health }) => [
      driver.name,
      {
        driver,
        probe,
        health,
        executors: createExecutors({
          driver,
          operations: new Limiter(operationsAtOnceMax),
          ...shared,
        }),
        idScheme: probe.version.split('://')[0] || driver.name,
        recovered: false,
      },
    ]),
  );
}
