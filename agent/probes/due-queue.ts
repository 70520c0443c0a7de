import type { Clock, Timer } from '../../lib/clock.ts';

/**
 * Things that fall due at a time, with one timer for all of them. What falls due within `slackMs` of each other is
 * handed out together, so that many periodic things do not wake the processor one by one.
 */
export interface DueQueue extends Disposable {
  /** Replaces an earlier time of the same key. */
  set(key: string, atMs: number): void;
  delete(key: string): void;
}

export interface DueQueueOptions {
  clock: Clock;
  slackMs: number;
  /** Called in order of time; the key is no longer in the queue. */
  onDue: (key: string) => void;
}

export function createDueQueue({ clock, slackMs, onDue }: DueQueueOptions): DueQueue {
  const times = new Map<string, number>();
  /** Slot number → keys; a slot is `slackMs` long and due at its end. */
  const slots = new Map<number, Set<string>>();
  let timer: { slot: number; handle: Timer } | undefined;

  const slotOf = (atMs: number) => Math.ceil(atMs / slackMs);
  const remove = (key: string) => {
    const atMs = times.get(key);
    if (atMs === undefined) return;
    times.delete(key);
    const slot = slots.get(slotOf(atMs));
    slot?.delete(key);
    if (slot?.size === 0) slots.delete(slotOf(atMs));
  };
  const arm = (slot: number) => {
    if (timer && timer.slot <= slot) return;
    timer?.handle.cancel();
    const delayMs = Math.max(0, slot * slackMs - clock.monotonic());
    timer = { slot, handle: clock.after(delayMs, fire, { unref: true }) };
  };
  const fire = () => {
    timer = undefined;
    const current = Math.floor(clock.monotonic() / slackMs);
    const due = [...slots.keys()].filter((slot) => slot <= current).sort((one, other) => one - other);
    const keys = due.flatMap((slot) => [...(slots.get(slot) ?? [])]);
    for (const key of keys) remove(key);
    for (const key of keys) onDue(key);
    if (slots.size > 0) arm(Math.min(...slots.keys()));
  };

  return {
    set(key, atMs) {
      remove(key);
      times.set(key, atMs);
      const slot = slotOf(atMs);
      const keys = slots.get(slot);
      if (keys) keys.add(key);
      else slots.set(slot, new Set([key]));
      arm(slot);
    },
    delete: remove,
    [Symbol.dispose]() {
      timer?.handle.cancel();
      times.clear();
      slots.clear();
    },
  };
}
