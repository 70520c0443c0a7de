import { stat } from 'node:fs/promises';
import type { Clock } from '../../../lib/clock.ts';
import { type ChildStream, stream } from '../../../lib/exec.ts';
import type { AttachOptions, ExecProcess, LogOptions } from '../driver.ts';
import { openExecProcess } from '../exec-process.ts';
import { attachArguments } from './arguments.ts';
import type { Engine } from './engine.ts';

export interface Attached extends AttachOptions {
  name: string;
  /** Of the container's first process. */
  pid: number;
  clock: Clock;
  /** What it says from now on, until it ends or the signal aborts. */
  follow: (channel: 'stdout' | 'stderr', signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Asked once it has ended. */
  exitCode: () => Promise<number>;
}

/** For a log: what is written from now on. */
export const fromNowOn: LogOptions = {
  follow: true,
  tailLines: 0,
  limitBytes: undefined,
  sinceMs: undefined,
  timestamps: false,
};

/**
 * A session with what a container runs already. Podman ends the input of a container without a terminal with the first
 * session of its own, also of one that only looked. So that the input stays open, such sessions are none of podman's:
 * they follow the container's log, and write into the pipe that it reads.
 */
export async function attachTo(engine: Engine, options: Attached): Promise<ExecProcess> {
  const { name, pid, stdin, tty, stdinOnce, clock } = options;
  if (engine.command === 'podman' && !tty && !(stdin && stdinOnce)) {
    const input = stdin ? await writerInto(`/proc/${pid}/fd/0`) : undefined;
    if (input || !stdin) return besideEngine(options, input);
  }
  const args = attachArguments(engine, name, { stdin });
  return openExecProcess({ command: engine.command, args, stdin, tty, clock });
}

function besideEngine({ follow, exitCode }: Attached, input: ChildStream | undefined): ExecProcess {
  const abort = new AbortController();
  const exit = Promise.withResolvers<number>();
  exit.promise.catch(() => {});
  return {
    write: (data) => (input ? writeTo(input, data) : Promise.resolve()),
    endStdin: () => void input?.stdin.end(),
    resize: () => Promise.resolve(),
    async *output() {
      try {
        const { signal } = abort;
        yield* merged({ stdout: follow('stdout', signal), stderr: follow('stderr', signal) });
        exit.resolve(signal.aborted ? 0 : await exitCode());
      } finally {
        abort.abort();
        input?.kill('SIGKILL');
      }
    },
    exit: exit.promise,
    kill: () => abort.abort(),
  };
}

type Channel = 'stdout' | 'stderr';

async function* merged(
  sources: Readonly<Record<Channel, AsyncIterable<Uint8Array>>>,
): AsyncGenerator<{ channel: Channel; data: Uint8Array }> {
  const next = (channel: Channel, iterator: AsyncIterator<Uint8Array>) =>
    iterator.next().then(({ done, value }) => ({ channel, iterator, data: done ? undefined : value }));
  const waiting = new Map(
    (['stdout', 'stderr'] as const).map((channel) => {
      return [channel, next(channel, sources[channel][Symbol.asyncIterator]())];
    }),
  );
  while (waiting.size > 0) {
    const { channel, iterator, data } = await Promise.race(waiting.values());
    if (data === undefined) {
      waiting.delete(channel);
      continue;
    }
    waiting.set(channel, next(channel, iterator));
    yield { channel, data };
  }
}

/** A process of its own, so that a container that does not read holds up nobody here. Undefined for what is no pipe. */
async function writerInto(path: string): Promise<ChildStream | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFIFO()) return undefined;
  const writer = await stream('/bin/sh', ['-c', 'exec cat > "$1"', 'flotilla-input', path]);
  writer.stdin.on('error', () => {});
  return writer;
}

async function writeTo({ stdin, exit }: ChildStream, data: Uint8Array): Promise<void> {
  if (stdin.destroyed || stdin.writableEnded || stdin.write(data)) return;
  const drained = new Promise<void>((resolve) => void stdin.once('drain', resolve).once('close', resolve));
  await Promise.race([drained, exit]);
}
