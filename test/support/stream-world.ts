import type {
  ContainerHandle,
  ExecOptions,
  ExecProcess,
  LogOptions,
  RuntimeDriver,
} from '../../agent/drivers/driver.ts';
import { createHollowDriver } from '../../agent/drivers/hollow-driver.ts';
import { NodeEndpoints } from '../../agent/streams/node-endpoints.ts';
import { createPodDialer } from '../../agent/streams/pod-dialer.ts';
import { serveStreams } from '../../agent/streams/serve-streams.ts';
import { AsyncQueue } from '../../lib/async-queue.ts';
import { silentLogger } from '../../lib/log.ts';
import { seededRandom } from '../../lib/random.ts';
import { MemoryBus, type Transit } from '../../server/bus/memory-bus.ts';
import { createPodStreams } from '../../server/nodes/stream-sessions.ts';
import { MemoryLink } from '../sim/memory-link.ts';
import { ManualClock } from './manual-clock.ts';

/** The server's and the device's ends of streams over a bus in memory, around a driver that the test plays. */
export class StreamWorld implements AsyncDisposable {
  readonly clock = new ManualClock();
  /** Says whether a payload arrives. */
  arrives: (transit: Transit) => boolean = () => true;
  readonly bus = new MemoryBus({
    cluster: 'test',
    log: silentLogger,
    carry: (transit, deliver) => {
      if (this.arrives(transit)) queueMicrotask(deliver);
    },
  });
  readonly link = new MemoryLink({ bus: this.bus, node: 'n1', log: silentLogger });
  readonly endpoints = new NodeEndpoints();
  readonly dialer = createPodDialer({ clock: this.clock });
  readonly driver = new PlayedDriver(this.clock);
  readonly streams = createPodStreams({
    bus: this.bus,
    clock: this.clock,
    log: silentLogger,
    random: seededRandom(1),
  });
  readonly device = serveStreams({
    link: this.link,
    endpoints: this.endpoints,
    dialer: this.dialer,
    running: () => [{ podUid: 'pod-1', pid: process.pid }],
    clock: this.clock,
    log: silentLogger,
    find: ({ podUid, container }) => {
      if (podUid !== 'pod-1') throw new Error(`pod "${podUid}" is not on this node`);
      const handle = { driver: 'played', podUid, container, attempt: 0, id: 'c', data: {} };
      return { driver: this.driver.runtime, handle };
    },
  });

  constructor() {
    this.link.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.streams[Symbol.dispose]();
    this.device[Symbol.dispose]();
    await this.link[Symbol.asyncDispose]();
    await this.bus[Symbol.asyncDispose]();
  }
}

/** A runtime whose processes do what the test tells them to. */
export class PlayedDriver {
  readonly runtime: RuntimeDriver;
  readonly processes: PlayedProcess[] = [];
  log: (options: LogOptions, signal: AbortSignal) => AsyncIterable<Uint8Array> = async function* () {};

  constructor(clock: ManualClock) {
    this.runtime = Object.assign(createHollowDriver({ clock, name: 'played' }), {
      logs: (_handle: ContainerHandle, options: LogOptions, signal: AbortSignal) => this.log(options, signal),
      exec: async (_handle: ContainerHandle, options: ExecOptions) => this.#start(options),
    });
  }

  #start(options: ExecOptions): PlayedProcess {
    const process = new PlayedProcess(options);
    this.processes.push(process);
    return process;
  }
}

export class PlayedProcess implements ExecProcess {
  readonly options: ExecOptions;
  readonly taken: Buffer[] = [];
  readonly sizes: string[] = [];
  killed = false;
  inputEnded = false;
  /** What `write` waits for. */
  gate: Promise<void> = Promise.resolve();
  readonly exit: Promise<number>;
  readonly #exit = Promise.withResolvers<number>();
  readonly #output = new AsyncQueue<{ channel: 'stdout' | 'stderr'; data: Uint8Array }>();
  /** Bytes of output that were read. */
  read = 0;

  constructor(options: ExecOptions) {
    this.options = options;
    this.exit = this.#exit.promise;
  }

  say(text: string | Uint8Array, channel: 'stdout' | 'stderr' = 'stdout'): void {
    this.#output.push({ channel, data: Buffer.from(text as string) });
  }

  end(exitCode: number): void {
    this.#output.end();
    this.#exit.resolve(exitCode);
  }

  async write(data: Uint8Array): Promise<void> {
    await this.gate;
    this.taken.push(Buffer.from(data));
  }

  endStdin(): void {
    this.inputEnded = true;
  }

  async resize(columns: number, rows: number): Promise<void> {
    this.sizes.push(`${columns}x${rows}`);
  }

  async *output(): AsyncIterable<{ channel: 'stdout' | 'stderr'; data: Uint8Array }> {
    for await (const chunk of this.#output) {
      this.read += chunk.data.length;
      yield chunk;
    }
  }

  kill(): void {
    this.killed = true;
    this.end(137);
  }
}
