import { AsyncQueue } from '../../lib/async-queue.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Heartbeat, startHeartbeat } from '../../lib/heartbeat.ts';
import { limits } from '../../protocol/limits.ts';
import { StatusError } from '../../protocol/status.ts';
import { ReceiveWindow, SendWindow, sendWindowed } from '../../protocol/stream-window.ts';
import type { StreamFailure, StreamFrame } from '../../protocol/topics/streams.ts';

export type OutputChunk = { channel: 'stdout' | 'stderr'; data: Uint8Array };
/** What the device said when it had begun. */
export type Answer = Omit<Extract<StreamFrame, { type: 'ready' }>, 'type'>;

export interface BusStreamOptions {
  node: string;
  clock: Clock;
  /** Not aborted yet. */
  signal: AbortSignal;
  sendFrame(frame: StreamFrame): void;
  /** Called once, when the stream is over. */
  onFinished(): void;
}

/** One open stream at the server. Its life ends exactly once, in `finish`, whoever ends it. */
export class BusStream {
  readonly node: string;
  /** Resolves when the device has begun. */
  readonly ready: Promise<Answer>;
  /** 0 where there is none. */
  readonly exit: Promise<number>;
  /** Until the device has no more to say; fails when the stream broke. Reading slowly slows the device. */
  readonly output: AsyncQueue<OutputChunk>;
  readonly #options: BusStreamOptions;
  readonly #sendWindow = new SendWindow();
  readonly #receiveWindow = new ReceiveWindow();
  readonly #ready = Promise.withResolvers<Answer>();
  readonly #exit = Promise.withResolvers<number>();
  readonly #heartbeat: Heartbeat;
  readonly #onAbort = () => this.finish({ error: 'cancelled' });
  #finished = false;

  constructor(options: BusStreamOptions) {
    this.#options = options;
    this.node = options.node;
    this.ready = this.#ready.promise;
    this.exit = this.#exit.promise;
    this.output = new AsyncQueue((chunk) => {
      const bytes = this.#receiveWindow.consumed(chunk.data.length);
      if (bytes > 0) this.#send({ type: 'credit', bytes });
    });
    // Both are also told through `output`; nobody need wait for them.
    this.exit.catch(() => {});
    this.ready.catch(() => {});
    this.#heartbeat = startHeartbeat({
      clock: options.clock,
      everyMs: limits.streamBeatMs,
      beat: () => this.#send({ type: 'alive' }),
      silenceMs: limits.streamSilenceMs,
      onSilence: () => this.finish({ error: `node ${this.node} fell silent` }),
    });
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Resolves when the window has taken it all: the caller must wait (back-pressure). Rejects when it is over. */
  write(data: Uint8Array): Promise<void> {
    return sendWindowed(this.#sendWindow, data, (part) =>
      this.#send({ type: 'data', channel: 'stdin', data: part }),
    );
  }

  endInput(): void {
    this.#send({ type: 'end' });
  }

  resize(columns: number, rows: number): void {
    this.#send({ type: 'resize', columns, rows });
  }

  receive(frame: StreamFrame): void {
    this.#heartbeat.heard();
    switch (frame.type) {
      case 'ready':
        return this.#ready.resolve(frame);
      case 'credit':
        return this.#sendWindow.add(frame.bytes);
      case 'data':
        return this.#receiveData(frame.channel, frame.data);
      case 'end':
        return this.output.end();
      case 'close':
        return this.finish(frame, { tellDevice: false });
      case 'resize':
      case 'alive':
        return;
    }
  }

  /** Ends the stream; the first reason wins. */
  finish(
    end: { exitCode?: number | undefined; error?: string | undefined; code?: StreamFailure | undefined },
    { tellDevice = true } = {},
  ): void {
    if (this.#finished) return;
    if (tellDevice) this.#send({ type: 'close', error: end.error });
    this.#finished = true;
    this.#heartbeat[Symbol.dispose]();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#options.onFinished();
    if (end.error === undefined) {
      this.#ready.resolve({});
      this.#exit.resolve(end.exitCode ?? 0);
      this.output.end();
      this.#sendWindow.fail(unavailable('the other end has closed the stream'));
      return;
    }
    const error = end.code ? new StatusError(failureReasons[end.code], end.error) : unavailable(end.error);
    this.#ready.reject(error);
    this.#exit.reject(error);
    this.output.fail(error);
    this.#sendWindow.fail(error);
  }

  #receiveData(channel: 'stdin' | 'stdout' | 'stderr', data: Uint8Array): void {
    if (channel === 'stdin') return;
    if (this.#receiveWindow.arrived(data.length)) this.output.push({ channel, data });
    else this.finish({ error: `node ${this.node} sent more than its window` });
  }

  #send(frame: StreamFrame): void {
    if (this.#finished) return;
    this.#heartbeat.said();
    this.#options.sendFrame(frame);
  }
}

const failureReasons = { badRequest: 'BadRequest', notFound: 'NotFound' } as const;

export function unavailable(message: string): StatusError {
  return new StatusError('ServiceUnavailable', message);
}
