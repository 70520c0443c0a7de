import type { Clock } from '../../lib/clock.ts';

/** Failed attempts per address within a time; a full table forgets the address that failed longest ago. */
export class AttemptLimit {
  readonly #options: { clock: Clock; failuresMax: number; windowMs: number; addressesMax: number };
  readonly #failures = new Map<string, { count: number; since: number }>();

  constructor(options: { clock: Clock; failuresMax: number; windowMs: number; addressesMax: number }) {
    this.#options = options;
  }

  isBlocked(address: string): boolean {
    return (this.#current(address)?.count ?? 0) >= this.#options.failuresMax;
  }

  fail(address: string): void {
    const current = this.#current(address) ?? { count: 0, since: this.#options.clock.monotonic() };
    current.count++;
    this.#failures.delete(address);
    this.#failures.set(address, current);
    if (this.#failures.size <= this.#options.addressesMax) return;
    const [oldest] = this.#failures.keys();
    if (oldest !== undefined) this.#failures.delete(oldest);
  }

  #current(address: string): { count: number; since: number } | undefined {
    const entry = this.#failures.get(address);
    if (!entry) return undefined;
    if (this.#options.clock.monotonic() - entry.since < this.#options.windowMs) return entry;
    this.#failures.delete(address);
    return undefined;
  }
}
