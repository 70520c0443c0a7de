import type { Logger } from '../../lib/log.ts';
import { limits } from '../../protocol/limits.ts';
import { ReceiveWindow, SendWindow, sendWindowed } from '../../protocol/stream-window.ts';
import {
  type ExecRequest,
  type LogsRequest,
  open,
  type StreamFrame,
  type StreamRequest,
  streamDown,
  streamUp,
} from '../../protocol/topics/streams.ts';
import type { ContainerHandle, ExecProcess, RuntimeDriver } from '../drivers/driver.ts';
import type { Link } from '../link/link.ts';

export interface ServeStreamsOptions {
  link: Link;
  /** The container a stream is about; an Error (with words for a person) when there is none. */
  find(request: StreamTarget): { driver: RuntimeDriver; handle: ContainerHandle };
  log: Logger;
}

export interface StreamTarget {
  podUid: string;
  container: string;
  previous: boolean;
}

/** Answers the server's `open`s: logs and exec, each over the on-demand stream connection, flow-controlled. */
export function serveStreams(options: ServeStreamsOptions): Disposable {
  const streams = new Map<string, DeviceStream>();
  const subscriptions = [
    options.link.on(open, async ({ id, request }) => {
      if (streams.has(id) || streams.size >= limits.streamsPerNodeMax) return;
      const stream = new DeviceStream(id, options);
      streams.set(id, stream);
      try {
        await stream.run(request);
      } finally {
        streams.delete(id);
      }
    }),
    options.link.on(streamDown, (frame, { id }) => {
      if (id !== undefined) streams.get(id)?.receive(frame);
    }),
  ];
  return {
    [Symbol.dispose]() {
      for (const subscription of subscriptions) subscription[Symbol.dispose]();
      for (const stream of streams.values()) stream.abort('the agent is stopping');
    },
  };
}

class DeviceStream {
  readonly #id: string;
  readonly #options: ServeStreamsOptions;
  readonly #sendWindow = new SendWindow();
  readonly #receiveWindow = new ReceiveWindow();
  readonly #abort = new AbortController();
  #process: ExecProcess | undefined;
  /** Keeps stdin in order while the process takes it slowly. */
  #stdin: Promise<void> = Promise.resolve();

  constructor(id: string, options: ServeStreamsOptions) {
    this.#id = id;
    this.#options = options;
  }

  async run(request: StreamRequest): Promise<void> {
    const connection = await this.#options.link.openStreams().catch((error: unknown) => {
      this.#options.log.warn('stream connection failed', { error });
    });
    // Without a connection nobody can be told; the server's open times out.
    if (!connection) return;
    try {
      const exitCode = request.type === 'logs' ? await this.#logs(request) : await this.#exec(request);
      this.#send({ type: 'close', ...(exitCode === undefined ? {} : { exitCode }) });
    } catch (error) {
      this.#send({ type: 'close', error: error instanceof Error ? error.message : String(error) });
    } finally {
      this.abort('the stream has ended');
      connection[Symbol.dispose]();
    }
  }

  receive(frame: StreamFrame): void {
    switch (frame.type) {
      case 'credit':
        return this.#sendWindow.add(frame.bytes);
      case 'data':
        return this.#takeStdin(frame.data);
      case 'end':
        return this.#inOrder(async (process) => process.endStdin());
      case 'resize':
        return this.#inOrder((process) => process.resize(frame.columns, frame.rows));
      case 'close':
        return this.abort(frame.error ?? 'closed by the server');
      case 'ready':
        return;
    }
  }

  abort(reason: string): void {
    this.#abort.abort(new Error(reason));
    this.#sendWindow.fail(new Error(reason));
    this.#process?.kill();
  }

  async #logs(request: LogsRequest): Promise<undefined> {
    const { driver, handle } = this.#options.find(request);
    if (!driver.logs) throw new Error(`runtime ${driver.name} keeps no logs`);
    this.#send({ type: 'ready' });
    const chunks = driver.logs(
      handle,
      {
        follow: request.follow,
        tailLines: request.tailLines,
        limitBytes: request.limitBytes,
        sinceSeconds: request.sinceSeconds,
        timestamps: request.timestamps,
      },
      this.#abort.signal,
    );
    for await (const chunk of chunks) await this.#sendData('stdout', chunk);
  }

  async #exec(request: ExecRequest): Promise<number> {
    const { driver, handle } = this.#options.find({ ...request, previous: false });
    if (!driver.exec) throw new Error(`runtime ${driver.name} cannot run commands in a container`);
    this.#process = await driver.exec(handle, request);
    if (this.#abort.signal.aborted) this.#process.kill();
    this.#send({ type: 'ready' });
    for await (const { channel, data } of this.#process.output()) await this.#sendData(channel, data);
    return this.#process.exit;
  }

  #takeStdin(data: Uint8Array): void {
    if (!this.#receiveWindow.arrived(data.length)) return this.abort('the server sent more than its window');
    this.#inOrder(async (process) => {
      await process.write(data);
      const bytes = this.#receiveWindow.consumed(data.length);
      if (bytes > 0) this.#send({ type: 'credit', bytes });
    });
  }

  #inOrder(work: (process: ExecProcess) => Promise<void>): void {
    this.#stdin = this.#stdin
      .then(() => (this.#process ? work(this.#process) : undefined))
      .catch((error: unknown) => this.#options.log.debug('exec input not taken', { error }));
  }

  #sendData(channel: 'stdout' | 'stderr', data: Uint8Array): Promise<void> {
    return sendWindowed(this.#sendWindow, data, (part) => this.#send({ type: 'data', channel, data: part }));
  }

  #send(frame: StreamFrame): void {
    if (!this.#options.link.send(streamUp, frame, { id: this.#id }))
      this.abort('the stream connection broke');
  }
}
