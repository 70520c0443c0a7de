import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { PassThrough, type Readable, type Writable } from 'node:stream';
import { systemClock, type Timer } from './clock.ts';

/**
 * The only place that starts child processes. No shell is ever involved: `command` is a program, arguments arrive
 * as they are. Programs are looked up in the PATH of `environment` when that is given, in this process's otherwise.
 */
export type ExecErrorCode =
  | 'NotFound'
  | 'NotExecutable'
  | 'TimedOut'
  | 'Aborted'
  | 'OutputTooLarge'
  | 'SpawnFailed';

export class ExecError extends Error {
  readonly code: ExecErrorCode;

  constructor(code: ExecErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ExecError';
    this.code = code;
  }
}

export interface ChildOptions {
  /** The child's whole environment; this process's own when absent. */
  environment?: Readonly<Record<string, string>> | undefined;
  cwd?: string | undefined;
}

export interface RunOptions extends ChildOptions {
  /** Written to standard input, which is then closed; /dev/null when absent. */
  input?: string | Uint8Array;
  /** The child and its process group are killed afterwards. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Each of stdout and stderr may be this long. */
  outputBytesMax?: number;
}

export interface RunResult {
  /** As a shell counts: 128 + number for a child that a signal ended. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

export const outputBytesMaxDefault = 4 * 1024 * 1024;

/** Between the polite and the final signal of a child that timed out, was aborted or says too much. */
const forceKillAfterMs = 1_000;

/**
 * Runs a short-lived program to its end. A failing exit code is a result, not an error.
 * @throws ExecError when it cannot be started, takes or says too much, or is aborted.
 */
export async function run(command: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const { input, timeoutMs, signal, outputBytesMax = outputBytesMaxDefault } = options;
  const aborted = () => new ExecError('Aborted', `${command}: aborted`);
  if (signal?.aborted) throw aborted();
  const placed = { ...placement(options), detached: true };
  const child = await start(command, options, () =>
    input === undefined
      ? spawn(command, [...args], { ...placed, stdio: ['ignore', 'pipe', 'pipe'] })
      : spawn(command, [...args], { ...placed, stdio: ['pipe', 'pipe', 'pipe'] }),
  );
  let failure: ExecError | undefined;
  const kill = killer(child, 'close', (name) => {
    if (!killGroup(child, name)) child.kill(name);
    // Whoever left the group may hold them open for ever.
    if (name === 'SIGKILL') for (const output of [child.stdout, child.stderr]) output.destroy();
  });
  const stop = (error: ExecError) => {
    failure ??= error;
    kill('SIGTERM');
  };
  const onAbort = () => stop(aborted());
  const timer = systemClock.after(timeoutMs, () =>
    stop(new ExecError('TimedOut', `${command}: no end after ${timeoutMs} ms`)),
  );
  signal?.addEventListener('abort', onAbort, { once: true });
  const tooMuch = () => stop(new ExecError('OutputTooLarge', `${command}: more output than allowed`));
  const outputs = [child.stdout, child.stderr].map((output) => collect(output, outputBytesMax, tooMuch));
  child.stdin?.on('error', ignoreBrokenPipe).end(input);
  const { exitCode } = await exitOf(child, 'close');
  timer.cancel();
  signal?.removeEventListener('abort', onAbort);
  if (failure) throw failure;
  const [stdout = '', stderr = ''] = outputs.map((chunks) => Buffer.concat(chunks).toString());
  return { exitCode, stdout, stderr };
}

/** Chunks as they come. More than `bytesMax` is not kept, and told at once. */
function collect(output: Readable, bytesMax: number, tooMuch: () => void): readonly Buffer[] {
  const chunks: Buffer[] = [];
  let bytes = 0;
  output.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
    else tooMuch();
  });
  return chunks;
}

/** False when no process of the child's group is there, or we may not. */
function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal);
  } catch {
    return false;
  }
}

export interface ChildExit {
  /** As a shell counts: 128 + number for a child that a signal ended. */
  exitCode: number;
  signal: NodeJS.Signals | undefined;
}

export interface ChildStream {
  readonly pid: number;
  /** `write` returns false and `drain` follows, as for every Writable: the child's pace is kept. */
  readonly stdin: Writable;
  /**
   * The child waits when nobody reads here, after a few buffers full. Destroy them to let go of what others hold
   * open.
   */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** When the process itself is gone; output of it, or of its children, may still be in the streams. */
  readonly exit: Promise<ChildExit>;
  /** SIGTERM is followed by SIGKILL when the child goes on. */
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a program whose input and output are streams. It is killed when this process ends in an orderly way.
 * @throws ExecError (`NotFound`, `NotExecutable`, `SpawnFailed`) when it cannot be started.
 */
export async function stream(
  command: string,
  args: readonly string[],
  options: ChildOptions & { signal?: AbortSignal | undefined } = {},
): Promise<ChildStream> {
  const { signal } = options;
  if (signal?.aborted) throw new ExecError('Aborted', `${command}: aborted`);
  const child = await start(command, options, () =>
    spawn(command, [...args], { ...placement(options), stdio: ['pipe', 'pipe', 'pipe'] }),
  );
  const kill = killer(child, 'exit', (name) => child.kill(name));
  const onAbort = () => kill('SIGTERM');
  signal?.addEventListener('abort', onAbort, { once: true });
  child.once('exit', () => signal?.removeEventListener('abort', onAbort));
  child.stdin.on('error', ignoreBrokenPipe);
  return {
    pid: child.pid,
    stdin: child.stdin,
    stdout: keepUntilRead(child.stdout),
    stderr: keepUntilRead(child.stderr),
    exit: exitOf(child, 'exit'),
    kill,
  };
}

/** Node throws away what nobody has read of a child's output when the child exits, unless it is piped on. */
function keepUntilRead(output: Readable): Readable {
  const kept = output.pipe(new PassThrough());
  kept.once('close', () => output.destroy());
  return kept;
}

export interface DetachedOptions extends ChildOptions {
  /** Open file descriptors the child gets as its 3, 4, …; the caller closes its own copies. */
  inherit?: readonly number[];
}

export interface DetachedChild {
  /** Also the id of its new session and process group. */
  readonly pid: number;
  /** The first thing it says on standard output, '' if it says nothing; the pipe is closed afterwards. */
  readonly firstOutput: Promise<string>;
  /** Only while this process lives; a child outlives it. */
  readonly exit: Promise<ChildExit>;
}

/**
 * Starts a program in a session of its own that goes on when this process ends, however it ends. Standard input and
 * error are /dev/null. The child does not keep this process alive.
 * @throws ExecError as `stream` does.
 */
export async function spawnDetached(
  command: string,
  args: readonly string[],
  options: DetachedOptions = {},
): Promise<DetachedChild> {
  const child = await start(command, options, () =>
    spawn(command, [...args], {
      ...placement(options),
      stdio: ['ignore', 'pipe', 'ignore', ...(options.inherit ?? [])],
      detached: true,
    }),
  );
  child.unref();
  return { pid: child.pid, firstOutput: firstChunk(child.stdout), exit: exitOf(child, 'exit') };
}

function firstChunk(stdout: Readable | null): Promise<string> {
  return new Promise((resolve) => {
    const end = () => resolve('');
    if (!stdout) return end();
    stdout.once('end', end).once('error', end);
    stdout.once('data', (chunk: Buffer) => {
      resolve(chunk.toString());
      stdout.destroy();
    });
  });
}

function placement({ environment, cwd }: ChildOptions): SpawnOptions {
  return { ...(environment ? { env: environment } : {}), ...(cwd === undefined ? {} : { cwd }) };
}

/** Resolves once the child runs, before anything that it does is told. */
async function start<C extends ChildProcess>(
  command: string,
  { cwd }: ChildOptions,
  spawnIt: () => C,
): Promise<C & { readonly pid: number }> {
  try {
    const child = spawnIt();
    if (isRunning(child)) {
      child.on('error', ignoreRefusedSignal);
      return child;
    }
    const [error] = (await once(child, 'error')) as unknown[];
    throw error;
  } catch (error) {
    throw startError(command, cwd, error);
  }
}

function isRunning<C extends ChildProcess>(child: C): child is C & { readonly pid: number } {
  return child.pid !== undefined;
}

/**
 * Signals a child until `end`, and when this process ends before. A polite signal is followed by a final one.
 */
function killer(
  child: ChildProcess,
  end: 'exit' | 'close',
  send: (signal: NodeJS.Signals) => void,
): (signal: NodeJS.Signals) => void {
  let force: Timer | undefined;
  let ended = false;
  const endWithUs = () => send('SIGTERM');
  process.setMaxListeners(process.getMaxListeners() + 1);
  process.once('exit', endWithUs);
  child.once(end, () => {
    ended = true;
    force?.cancel();
    process.off('exit', endWithUs);
    process.setMaxListeners(process.getMaxListeners() - 1);
  });
  return (signal) => {
    if (ended) return;
    send(signal);
    if (signal === 'SIGTERM') force ??= systemClock.after(forceKillAfterMs, () => send('SIGKILL'));
  };
}

function exitOf(child: ChildProcess, end: 'exit' | 'close'): Promise<ChildExit> {
  return new Promise((resolve) => {
    child.once(end, (code: number | null, signal: NodeJS.Signals | null) =>
      resolve({ exitCode: code ?? signalExitCode(signal ?? undefined), signal: signal ?? undefined }),
    );
  });
}

function startError(command: string, cwd: string | undefined, cause: unknown): ExecError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
  if (cwd !== undefined && !existsSync(cwd))
    return new ExecError('SpawnFailed', `${command}: working directory ${cwd} does not exist`, { cause });
  if (code === 'ENOENT') return new ExecError('NotFound', `${command}: program not found`, { cause });
  if (code === 'EACCES' || code === 'ENOEXEC')
    return new ExecError('NotExecutable', `${command}: not executable`, { cause });
  return new ExecError('SpawnFailed', `${command}: cannot be started (${code})`, { cause });
}

function signalExitCode(signal: NodeJS.Signals | undefined): number {
  return signal ? 128 + constants.signals[signal] : 1;
}

/** That of a child which runs as somebody else by now; the rest is told by its end. */
function ignoreRefusedSignal(): void {}

/** A child that ends without reading its input is no error of ours; its exit code tells. */
function ignoreBrokenPipe(): void {}

/** A child that answers messages with messages, and may hand over a connection with one. */
export interface Messenger {
  send(message: object): void;
  /** What `message` is nobody has checked. */
  onMessage(take: (message: unknown, socket: Socket | undefined) => void): void;
  readonly exit: Promise<ChildExit>;
  kill(): void;
}

/**
 * Starts a Node program, by way of `command`, that speaks over Node's own channel (`process.send`). It does not keep this
 * process alive.
 * @throws ExecError as `stream` does.
 */
export async function messenger(command: string, args: readonly string[]): Promise<Messenger> {
  const child = await start(command, {}, () =>
    spawn(command, [...args], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], serialization: 'json' }),
  );
  const kill = killer(child, 'exit', (name) => child.kill(name));
  child.unref();
  child.channel?.unref();
  return {
    send: (message) => void (child.connected && child.send(message, () => {})),
    onMessage: (take) =>
      void child.on('message', (message, handle) =>
        take(message, handle instanceof Socket ? handle : undefined),
      ),
    exit: exitOf(child, 'exit'),
    kill: () => kill('SIGKILL'),
  };
}
