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
export class RuntimeSlots {
  readonly #shared: Omit<ExecutorOptions, 'driver' | 'operations'>;
  #slots = new Map<string, RuntimeSlot>();

  constructor(drivers: readonly OpenDriver[], shared: Omit<ExecutorOptions, 'driver' | 'operations'>) {
    this.#shared = shared;
    this.use(drivers);
  }

  /** From now on these, in this order; what is known of those that were in use already stays. */
  use(drivers: readonly OpenDriver[]): void {
    this.#slots = new Map(
      drivers.map((open) => [open.driver.name, this.#slots.get(open.driver.name) ?? this.#slotOf(open)]),
    );
  }

  get(name: string): RuntimeSlot | undefined {
    return this.#slots.get(name);
  }

  /** The default first. */
  get all(): RuntimeSlot[] {
    return [...this.#slots.values()];
  }

  #slotOf({ driver, probe, health }: OpenDriver): RuntimeSlot {
    return {
      driver,
      probe,
      health,
      executors: createExecutors({ driver, operations: new Limiter(operationsAtOnceMax), ...this.#shared }),
      idScheme: probe.version.split('://')[0] || driver.name,
      recovered: false,
    };
  }
}
