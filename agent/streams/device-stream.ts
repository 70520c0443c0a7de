import { AsyncQueue } from '../../lib/async-queue.ts';
import type { Clock } from '../../lib/clock.ts';
import { type Heartbeat, startHeartbeat } from '../../lib/heartbeat.ts';
import { limits } from '../../protocol/limits.ts';
import { ReceiveWindow, SendWindow } from '../../protocol/stream-window.ts';
import type { StreamFailure, StreamFrame } from '../../protocol/topics/streams.ts';
import { ContainerNotFoundError } from '../pods/find-container.ts';
import type { FramePace } from './frame-pace.ts';
import { OutputFrames } from './output-frames.ts';

/** What the work of a stream sees of it. */
export interface StreamIo {
  /** Aborts when the stream is over, whoever ended it. */
  readonly signal: AbortSignal;
  /** Tells the server that the work has begun. To be called once, before anything is sent. */
  ready(answer?: { status: number; contentType: string }): void;
  /** Resolves when there is room for more; rejects when the stream is over. */
  send(channel: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
  /** No more data will be sent; the server may still send some. */
  endOutput(): Promise<void>;
  /** What the server sends, until it says that this was all. Reading on gives it credit. */
  input(): AsyncIterable<Uint8Array>;
  /** Tells the size of the client's terminal, also one that came before, and each new one. */
  onResize(tell: (size: TerminalSize) => void): void;
}

export interface TerminalSize {
  columns: number;
  rows: number;
}

/** Resolves with the exit code where there is one; rejects with words for a person. */
export type StreamWork = (io: StreamIo) => Promise<number | void>;

export interface DeviceStreamOptions {
  clock: Clock;
  /** Shared by all streams of the connection. */
  pace: FramePace;
  /** False when the stream's connection is gone. */
  sendFrame(frame: StreamFrame): boolean;
}

/** One stream at the device: its windows, its heartbeat and its end, which comes once, whoever brings it about. */
export class DeviceStream {
  readonly #options: DeviceStreamOptions;
  readonly #sendWindow = new SendWindow();
  readonly #receiveWindow = new ReceiveWindow();
  readonly #abort = new AbortController();
  readonly #input: AsyncQueue<Uint8Array>;
  readonly #heartbeat: Heartbeat;
  readonly #output: OutputFrames;
  #size: TerminalSize | undefined;
  #onResize: ((size: TerminalSize) => void) | undefined;

  constructor(options: DeviceStreamOptions) {
    this.#options = options;
    this.#input = new AsyncQueue((data) => {
      const bytes = this.#receiveWindow.consumed(data.length);
      if (bytes > 0) this.#send({ type: 'credit', bytes });
    });
    this.#output = new OutputFrames({
      window: this.#sendWindow,
      pace: options.pace,
      clock: options.clock,
      sendFrame: (channel, data) => this.#send({ type: 'data', channel, data }),
    });
    this.#heartbeat = startHeartbeat({
      clock: options.clock,
      everyMs: limits.streamBeatMs,
      beat: () => this.#send({ type: 'alive' }),
      silenceMs: limits.streamSilenceMs,
      onSilence: () => this.abort('the server fell silent'),
    });
  }

  /** Never rejects: how the work ended is told to the server, as far as that can be reached. */
  async run(work: StreamWork): Promise<void> {
    try {
      const exitCode = await work(this.#io());
      await this.#output.flush();
      this.#send({ type: 'close', ...(exitCode === undefined ? {} : { exitCode }) });
    } catch (error) {
      // What it said before it failed; nobody waits for that once the stream itself is over.
      await this.#output.flush().catch(() => {});
      this.#send({ type: 'close', ...failureOf(error) });
    } finally {
      this.abort('the stream has ended');
    }
  }

  receive(frame: StreamFrame): void {
    this.#heartbeat.heard();
    switch (frame.type) {
      case 'credit':
        return this.#sendWindow.add(frame.bytes);
      case 'data':
        if (this.#receiveWindow.arrived(frame.data.length)) return this.#input.push(frame.data);
        return this.abort('the server sent more than its window');
      case 'end':
        return this.#input.end();
      case 'resize':
        this.#size = { columns: frame.columns, rows: frame.rows };
        return this.#onResize?.(this.#size);
      case 'close':
        return this.abort(frame.error ?? 'closed by the server');
      case 'ready':
      case 'alive':
        return;
    }
  }

  abort(reason: string): void {
    if (this.#abort.signal.aborted) return;
    this.#heartbeat[Symbol.dispose]();
    const error = new Error(reason);
    this.#abort.abort(error);
    this.#sendWindow.fail(error);
    this.#input.fail(error);
  }

  #io(): StreamIo {
    return {
      signal: this.#abort.signal,
      ready: (answer) => this.#send({ type: 'ready', ...answer }),
      send: (channel, data) => this.#output.send(channel, data),
      endOutput: async () => {
        await this.#output.flush();
        this.#send({ type: 'end' });
      },
      input: () => this.#input,
      onResize: (tell) => {
        this.#onResize = tell;
        if (this.#size) tell(this.#size);
      },
    };
  }

  #send(frame: StreamFrame): void {
    if (this.#abort.signal.aborted) return;
    this.#heartbeat.said();
    if (!this.#options.sendFrame(frame)) this.abort('the stream connection broke');
  }
}

function failureOf(error: unknown): { error: string; code?: StreamFailure } {
  const words = { error: wordsOf(error) };
  if (!(error instanceof ContainerNotFoundError)) return words;
  return { ...words, code: error.code === 'PodNotFound' ? 'notFound' : 'badRequest' };
}

export function wordsOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, limits.streamErrorCharactersMax);
}
