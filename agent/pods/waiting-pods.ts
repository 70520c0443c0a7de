import type { StatusOutbox } from '../link/status-outbox.ts';

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
