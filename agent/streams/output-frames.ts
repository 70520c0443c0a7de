import type { Clock, Timer } from '../../lib/clock.ts';
import { limits } from '../../protocol/limits.ts';
import { type SendWindow, sendWindowed } from '../../protocol/stream-window.ts';
import type { FramePace } from './frame-pace.ts';

type OutputChannel = 'stdout' | 'stderr';

export interface OutputFramesOptions {
  window: SendWindow;
  pace: FramePace;
  clock: Clock;
  sendFrame: (channel: OutputChannel, data: Uint8Array) => void;
}

/**
 * Joins what comes in small pieces, as terminals do, into frames: the first piece after a pause goes at once, further
 * ones wait for `streamJoinMs`, or until they fill a frame. At most a frame and one piece wait here.
 */
export class OutputFrames {
  readonly #options: OutputFramesOptions;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #channel: OutputChannel = 'stdout';
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: OutputFramesOptions) {
    this.#options = options;
  }

  /** Resolves when there is room for more. Rejects when the window has failed. */
  async send(channel: OutputChannel, data: Uint8Array): Promise<void> {
    if (channel !== this.#channel && this.#bytes > 0) await this.flush();
    this.#channel = channel;
    this.#pieces.push(data);
    this.#bytes += data.length;
    const { clock } = this.#options;
    const isFirst = clock.monotonic() - this.#sentAtMs >= limits.streamJoinMs;
    if (isFirst || this.#bytes >= limits.streamFrameBytesMax) return this.flush();
    // What fails here, fails the next who sends.
    this.#timer ??= clock.after(limits.streamJoinMs, () => void this.flush().catch(() => {}));
  }

  /** Resolves when the window has taken all that was sent before. */
  flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#sending = this.#sending.then(() => this.#sendAll());
    this.#sending.catch(() => {});
    return this.#sending;
  }

  async #sendAll(): Promise<void> {
    if (this.#bytes === 0) return;
    const { window, pace, clock, sendFrame } = this.#options;
    const [only, ...more] = this.#pieces;
    const data = only && more.length === 0 ? only : Buffer.concat(this.#pieces);
    const channel = this.#channel;
    this.#pieces = [];
    this.#bytes = 0;
    await sendWindowed(window, data, async (part) => {
      await pace.take();
      sendFrame(channel, part);
    });
    this.#sentAtMs = clock.monotonic();
  }
}
