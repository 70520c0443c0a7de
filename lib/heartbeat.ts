import type { Clock, Timer } from './clock.ts';

export interface HeartbeatOptions {
  clock: Clock;
  /** After so long without anything said, `beat` says something. */
  everyMs: number;
  beat(): void;
  /** After so long without a word of the other side, `onSilence` is called, once. */
  silenceMs: number;
  onSilence(): void;
}

/** Keeps two sides sure of each other over a connection that may die without telling. */
export interface Heartbeat extends Disposable {
  /** Something was said: no need to beat for a while. */
  said(): void;
  /** The other side said something. */
  heard(): void;
}

export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { clock, everyMs, silenceMs } = options;
  let saidAtMs = clock.monotonic();
  let heardAtMs = saidAtMs;
  let timer: Timer;
  wait();
  return {
    said: () => void (saidAtMs = clock.monotonic()),
    heard: () => void (heardAtMs = clock.monotonic()),
    [Symbol.dispose]: () => timer.cancel(),
  };

  function wait(): void {
    const dueMs = Math.min(saidAtMs + everyMs, heardAtMs + silenceMs);
    timer = clock.after(Math.max(0, dueMs - clock.monotonic()), look, { unref: true });
  }

  function look(): void {
    const nowMs = clock.monotonic();
    if (nowMs - heardAtMs >= silenceMs) return options.onSilence();
    if (nowMs - saidAtMs >= everyMs) {
      saidAtMs = nowMs;
      options.beat();
    }
    wait();
  }
}
