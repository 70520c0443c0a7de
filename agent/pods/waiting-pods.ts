import type { StatusOutbox } from '../link/status-outbox.ts';
import type { RuntimeSlot } from './runtime-drivers.ts';

/** Tells of each pod once that it has something to do and cannot, until it can. */
export class WaitingPods {
  readonly #outbox: Pick<StatusOutbox, 'reportEvent'>;
  readonly #told = new Map<string, string>();

  constructor(outbox: Pick<StatusOutbox, 'reportEvent'>) {
    this.#outbox = outbox;
  }

  /** `what` is waited for. */
  tell(uid: string, what: string, event: { reason: string; message: string }): void {
    const key = `${uid} ${what}`;
    if (this.#told.has(key)) return;
    this.#told.set(key, uid);
    this.#outbox.reportEvent({ uid, type: 'Warning', ...event });
  }

  /** Without a slot because there is no runtime at all. */
  tellRuntime(uid: string, slot: Pick<RuntimeSlot, 'driver' | 'health'> | undefined): void {
    const message = slot
      ? `Waiting for the container runtime ${slot.driver.name}, which does not answer: ${slot.health.problem ?? ''}`
      : 'Waiting for a container runtime: none works on this node yet';
    this.tell(uid, slot?.driver.name ?? '', { reason: 'NodeNotReady', message });
  }

  /** It is there again. Returns who waited for it. */
  released(what: string): string[] {
    const waited = [...this.#told].filter(([key]) => key.endsWith(` ${what}`));
    for (const [key] of waited) this.#told.delete(key);
    return waited.map(([, uid]) => uid);
  }

  forget(uid: string): void {
    for (const [key, of] of this.#told) if (of === uid) this.#told.delete(key);
  }
}
