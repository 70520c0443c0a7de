import { existsSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { PassThrough, type Readable, type Writable } from 'node:stream';

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
  const { execa } = await import('execa');
  const result = await execa(command, [...args], {
    ...placement(options),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal ? { cancelSignal: options.signal } : {}),
    timeout: options.timeoutMs,
    maxBuffer: options.outputBytesMax ?? outputBytesMaxDefault,
    encoding: 'buffer',
    forceKillAfterDelay: forceKillAfterMs,
    killDescendants: true,
    stripFinalNewline: false,
    reject: false,
  });
  if (result.timedOut) throw new ExecError('TimedOut', `${command}: no end after ${options.timeoutMs} ms`);
  if (result.isCanceled) throw new ExecError('Aborted', `${command}: aborted`);
  if (result.isMaxBuffer) throw new ExecError('OutputTooLarge', `${command}: more output than allowed`);
  if (result.code !== undefined && result.exitCode === undefined && result.signal === undefined)
    throw startError(command, result);
  return {
    exitCode: result.exitCode ?? signalExitCode(result.signal),
    stdout: Buffer.from(result.stdout).toString(),
    stderr: Buffer.from(result.stderr).toString(),
  };
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
  const { execa } = await import('execa');
  const child = execa(command, [...args], {
    ...placement(options),
    ...(options.signal ? { cancelSignal: options.signal } : {}),
    stdio: ['pipe', 'pipe', 'pipe'],
    encoding: 'buffer',
    forceKillAfterDelay: forceKillAfterMs,
    buffer: false,
    reject: false,
  });
  const stdout = keepUntilRead(child.stdout);
  const stderr = keepUntilRead(child.stderr);
  child.stdin.on('error', ignoreBrokenPipe);
  const exit = exitOf(child.nodeChildProcess);
  const pid = await started(command, child);
  return {
    pid,
    stdin: child.stdin,
    stdout,
    stderr,
    exit,
    kill: (signal) => void child.kill(signal),
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
  const { execa } = await import('execa');
  const child = execa(command, [...args], {
    ...placement(options),
    // execa types further descriptors as 3 to 9 and takes any.
    stdio: ['ignore', 'pipe', 'ignore', ...((options.inherit ?? []) as readonly 3[])],
    encoding: 'buffer',
    buffer: false,
    detached: true,
    cleanup: false,
    reject: false,
  });
  const firstOutput = firstChunk(child.nodeChildProcess.stdout);
  const exit = exitOf(child.nodeChildProcess);
  const pid = await started(command, child);
  child.nodeChildProcess.unref();
  return { pid, firstOutput, exit };
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

function placement({ environment, cwd }: ChildOptions) {
  return {
    ...(environment ? { env: environment, extendEnv: false } : {}),
    ...(cwd === undefined ? {} : { cwd }),
  };
}

interface EmitsExit {
  once(event: 'exit', listener: (code: number | null, signal: NodeJS.Signals | null) => void): unknown;
  once(event: 'error', listener: () => void): unknown;
}

function exitOf(child: EmitsExit): Promise<ChildExit> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) =>
      resolve({ exitCode: code ?? signalExitCode(signal ?? undefined), signal: signal ?? undefined }),
    );
    child.once('error', () => resolve({ exitCode: 127, signal: undefined }));
  });
}

type Startable = Promise<{ code?: string | undefined; cwd: string; cause?: unknown }> & {
  pid?: number | undefined;
};

async function started(command: string, child: Startable): Promise<number> {
  if (child.pid !== undefined) return child.pid;
  throw startError(command, await child);
}

function startError(
  command: string,
  failure: { code?: string | undefined; cwd: string; cause?: unknown },
): ExecError {
  const cause = { cause: failure.cause };
  if (!existsSync(failure.cwd))
    return new ExecError('SpawnFailed', `${command}: working directory ${failure.cwd} does not exist`, cause);
  if (failure.code === 'ENOENT') return new ExecError('NotFound', `${command}: program not found`, cause);
  if (failure.code === 'EACCES' || failure.code === 'ENOEXEC')
    return new ExecError('NotExecutable', `${command}: not executable`, cause);
  return new ExecError('SpawnFailed', `${command}: cannot be started (${failure.code ?? 'unknown'})`, cause);
}

function signalExitCode(signal: NodeJS.Signals | undefined): number {
  return signal ? 128 + constants.signals[signal] : 1;
}

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
  const { execa } = await import('execa');
  const child = execa(command, [...args], {
    stdio: ['ignore', 'ignore', 'ignore'],
    ipc: true,
    serialization: 'json',
    buffer: false,
    reject: false,
  });
  const process = child.nodeChildProcess;
  const exit = exitOf(process);
  await started(command, child);
  process.unref();
  process.channel?.unref();
  return {
    send: (message) => void (process.connected && process.send(message, () => {})),
    onMessage: (take) =>
      void process.on('message', (message, handle) =>
        take(message, handle instanceof Socket ? handle : undefined),
      ),
    exit,
    kill: () => void child.kill('SIGKILL'),
  };
}
