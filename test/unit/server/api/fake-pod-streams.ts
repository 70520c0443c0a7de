import { type Duplex, duplexPair } from 'node:stream';
import { StatusError } from '../../../../protocol/status.ts';
import type {
  AttachRequest,
  EndpointRequest,
  ExecRequest,
  LogsRequest,
  PortRequest,
} from '../../../../protocol/topics/streams.ts';
import type { EndpointAnswer, ExecSession, PodStreams } from '../../../../server/nodes/pod-streams.ts';

/**
 * A device in memory. Log lines come from the test; `exec` runs tiny built-in commands: `echo`, `cat` (until stdin
 * ends or, as terminals do, on `exit`), `exit N`, `flood N` (N bytes as fast as they are taken), `size` (prints
 * each resize).
 */
export class FakePodStreams implements PodStreams {
  readonly logRequests: LogsRequest[] = [];
  readonly execRequests: (ExecRequest | AttachRequest)[] = [];
  readonly sessions: FakeExecSession[] = [];
  log: (request: LogsRequest, signal: AbortSignal) => AsyncIterable<Uint8Array> = async function* () {};
  refusal: StatusError | undefined;

  /** Always: refusals of a device come when it is asked. */
  assertReachable(): void {}

  logs(_node: string, request: LogsRequest, signal: AbortSignal): AsyncIterable<Uint8Array> {
    this.logRequests.push(request);
    if (this.refusal) return failing(this.refusal);
    return this.log(request, signal);
  }

  async command(
    _node: string,
    request: ExecRequest | AttachRequest,
    signal: AbortSignal,
  ): Promise<ExecSession> {
    this.execRequests.push(request);
    if (this.refusal) throw this.refusal;
    const session = new FakeExecSession(request, signal);
    this.sessions.push(session);
    return session;
  }

  /** What a dialled port is: echoes unless the test says otherwise. */
  answer: (port: number, socket: Duplex) => void = (_port, socket) => void socket.pipe(socket);
  readonly dialed: PortRequest[] = [];

  async dial(_node: string, request: PortRequest): Promise<Duplex> {
    this.dialed.push(request);
    if (this.refusal) throw this.refusal;
    const [near, far] = duplexPair();
    far.on('error', () => {});
    near.once('close', () => far.destroy());
    this.answer(request.port, far);
    return near;
  }

  async endpoint(node: string, { path, query }: EndpointRequest): Promise<EndpointAnswer> {
    if (this.refusal) throw this.refusal;
    const text = `${node} ${path}?${query}\n`;
    async function* body() {
      yield Buffer.from(text);
    }
    return { status: path === '/missing' ? 404 : 200, contentType: 'text/plain', body: body() };
  }
}

// oxlint-disable-next-line require-yield
async function* failing(error: Error): AsyncGenerator<Uint8Array> {
  throw error;
}

type Output = { channel: 'stdout' | 'stderr'; data: Uint8Array };

export class FakeExecSession implements ExecSession {
  readonly exit: Promise<number>;
  /** Bytes handed out so far; grows only as fast as the reader takes them. */
  produced = 0;
  /** Bytes of stdin taken. */
  taken = 0;
  aborted = false;
  /** Resolves `write` only when the test lets it, when set. */
  gate: Promise<void> | undefined;
  readonly #request: ExecRequest | AttachRequest;
  readonly #exit = Promise.withResolvers<number>();
  readonly #input: Uint8Array[] = [];
  readonly #sizes: string[] = [];
  #ended = false;
  #wake = Promise.withResolvers<void>();

  constructor(request: ExecRequest | AttachRequest, signal: AbortSignal) {
    this.#request = request;
    this.exit = this.#exit.promise;
    this.exit.catch(() => {});
    signal.addEventListener('abort', () => {
      this.aborted = true;
      this.#exit.reject(new StatusError('ServiceUnavailable', 'the session was aborted'));
      this.#notify();
    });
  }

  async write(data: Uint8Array): Promise<void> {
    await this.gate;
    this.taken += data.length;
    this.#input.push(data);
    this.#notify();
  }

  endStdin(): void {
    this.#ended = true;
    this.#notify();
  }

  resize(columns: number, rows: number): void {
    this.#sizes.push(`${columns}x${rows}\n`);
    this.#notify();
  }

  async *output(): AsyncGenerator<Output> {
    const [program = '', ...args] = this.#request.type === 'exec' ? this.#request.command : ['cat'];
    switch (program) {
      case 'echo':
        yield text('stdout', `${args.join(' ')}\n`);
        return this.#exit.resolve(0);
      case 'exit':
        yield text('stderr', 'leaving\n');
        return this.#exit.resolve(Number(args[0]));
      case 'flood':
        yield* this.#flood(Number(args[0]));
        return this.#exit.resolve(0);
      case 'cat':
        yield* this.#cat();
        return this.#exit.resolve(0);
      case 'size':
        yield* this.#printSizes(Number(args[0] ?? 1));
        return this.#exit.resolve(0);
      default:
        yield text('stderr', `${program}: not found\n`);
        return this.#exit.resolve(127);
    }
  }

  *#flood(bytes: number): Generator<Output> {
    const data = new Uint8Array(16 * 1024).fill(0x78);
    while (this.produced < bytes && !this.aborted) {
      this.produced += data.length;
      yield { channel: 'stdout', data };
    }
  }

  async *#cat(): AsyncGenerator<Output> {
    for (;;) {
      for (const data of this.#input.splice(0)) {
        yield { channel: 'stdout', data };
        if (this.#request.tty && Buffer.from(data).includes('exit')) return;
      }
      if (this.#input.length > 0 && !this.aborted) continue;
      if (this.#ended || this.aborted) return;
      await this.#wake.promise;
    }
  }

  async *#printSizes(count: number): AsyncGenerator<Output> {
    for (let printed = 0; printed < count; ) {
      for (const size of this.#sizes.splice(0)) {
        printed += 1;
        yield text('stdout', size);
      }
      if (this.aborted) return;
      if (printed < count) await this.#wake.promise;
    }
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

function text(channel: Output['channel'], content: string): Output {
  return { channel, data: Buffer.from(content) };
}
