import { backoffMs } from '../../lib/backoff.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { ContainerHandle, DriverProbe, RuntimeDriver, SandboxHandle } from './driver.ts';

export interface Listing {
  sandboxes: SandboxHandle[];
  containers: ContainerHandle[];
}

export interface RuntimeHealthOptions {
  driver: RuntimeDriver;
  probe: DriverProbe;
  clock: Clock;
  log: Logger;
}

/** The first look after a failure comes soon: most are an engine that is being restarted. */
const askAgain = { baseMs: 1_000, capMs: 30_000 };

/**
 * Whether a runtime answers: the one question it is asked while it does not, so that a hanging engine costs one
 * waiting call and not one for each pod. Knows nothing until it is asked.
 */
export class RuntimeHealth implements Disposable {
  readonly #options: RuntimeHealthOptions;
  readonly #handlers = new Set<(listing: Listing) => void>();
  #problem: string | undefined;
  #asking: Promise<Listing | undefined> | undefined;
  #failures = 0;
  #timer: Timer | undefined;
  #disposed = false;

  constructor(options: RuntimeHealthOptions) {
    this.#options = options;
    if (!options.probe.available) this.#problem = options.probe.message;
  }

  /** Why it cannot be used, in words for a person; undefined while nothing is known against it. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Called with everything the runtime has, each time that it answers after it did not. */
  onBack(handler: (listing: Listing) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  /** Lists what it has; undefined when it does not answer: then it is asked again until it does. */
  list(): Promise<Listing | undefined> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  /** Something failed that may be the runtime's fault. */
  suspect(): void {
    if (this.#problem === undefined && !this.#disposed) void this.list();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
    this.#handlers.clear();
  }

  async #ask(): Promise<Listing | undefined> {
    this.#timer?.cancel();
    try {
      const listing = await this.#options.driver.list();
      this.#answered(listing);
      return listing;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #answered(listing: Listing): void {
    const { driver, log } = this.#options;
    const wasAway = this.#problem !== undefined;
    this.#problem = undefined;
    this.#failures = 0;
    if (!wasAway || this.#disposed) return;
    log.info('the runtime answers again', { runtime: driver.name });
    for (const handler of this.#handlers) handler(listing);
  }

  #failed(error: unknown): void {
    if (this.#disposed) return;
    const { driver, clock, log } = this.#options;
    this.#problem = error instanceof Error ? error.message : String(error);
    this.#failures += 1;
    if (this.#failures === 1)
      log.warn('the runtime does not answer; its pods wait', { runtime: driver.name, error });
    const delayMs = backoffMs(this.#failures, askAgain);
    this.#timer = clock.after(delayMs, () => void this.list(), { unref: true });
  }
}
