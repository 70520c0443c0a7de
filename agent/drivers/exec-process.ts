import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { type Clock, sleep } from '../../lib/clock.ts';
import { type ChildStream, run, stream } from '../../lib/exec.ts';
import type { ExecProcess } from './driver.ts';

/**
 * A program with its streams, as exec needs it, on a real terminal when asked: util-linux' `script` (essential in
 * Debian) makes the pseudo-terminal, so no native code is needed; `stty` on the same terminal resizes it.
 */
export interface ExecProcessOptions {
  command: string;
  args: readonly string[];
  environment?: Readonly<Record<string, string>>;
  cwd?: string;
  stdin: boolean;
  tty: boolean;
  clock: Clock;
}

/** How long output is waited for after the process ended: one it left behind may hold the stream open for ever. */
const drainMs = 500;
const resizeTimeoutMs = 5_000;
const terminalWaitMs = 1_000;
const terminalLookMs = 10;

/** @throws ExecError when the program (or `script`) cannot be started. */
export async function openExecProcess(options: ExecProcessOptions): Promise<ExecProcess> {
  const child = await startChild(options);
  if (!options.stdin && !options.tty) child.stdin.end();
  return {
    write: (data) => writeAll(child, data),
    endStdin: () => void child.stdin.end(),
    resize: (columns, rows) =>
      options.tty ? resizeTerminal(child, { columns, rows, clock: options.clock }) : Promise.resolve(),
    output: () => mergeOutput(child, options.clock),
    exit: child.exit.then(({ exitCode }) => exitCode),
    kill: () => child.kill('SIGKILL'),
  };
}

function startChild({ command, args, environment, cwd, tty }: ExecProcessOptions): Promise<ChildStream> {
  if (!tty) return stream(command, args, { environment, cwd });
  const ownShell = environment ? environment['SHELL'] : process.env['SHELL'];
  const restoreShell = ownShell === undefined ? 'unset SHELL' : `SHELL=${shellQuote(ownShell)}`;
  const line = `${restoreShell}; exec ${[command, ...args].map(shellQuote).join(' ')}`;
  return stream('script', ['-qefc', line, '/dev/null'], {
    environment: { ...(environment ?? inheritedEnvironment()), SHELL: '/bin/sh' },
    cwd,
  });
}

function inheritedEnvironment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).map(([name, value]) => [name, value ?? '']));
}

/** One word for a POSIX shell. */
export function shellQuote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

async function writeAll(child: ChildStream, data: Uint8Array): Promise<void> {
  if (child.stdin.destroyed || child.stdin.writableEnded) return;
  if (child.stdin.write(data)) return;
  await Promise.race([once(child.stdin, 'drain'), once(child.stdin, 'close'), child.exit]);
}

async function* mergeOutput(child: ChildStream, clock: Clock) {
  const sources = [listenTo(child.stdout, 'stdout'), listenTo(child.stderr, 'stderr')];
  let exited = false;
  let wake = () => {};
  for (const source of sources) source.onChange = () => wake();
  void child.exit.then(() => {
    exited = true;
    wake();
  });
  try {
    for (;;) {
      let silent = true;
      for (const { channel, stream } of sources) {
        const data: unknown = stream.read();
        if (!(data instanceof Uint8Array)) continue;
        silent = false;
        yield { channel, data };
      }
      if (!silent) continue;
      if (sources.every(({ ended }) => ended)) return;
      const outcome = await new Promise<'changed' | 'drained'>((resolve) => {
        const timer = exited ? clock.after(drainMs, () => resolve('drained')) : undefined;
        wake = () => {
          timer?.cancel();
          resolve('changed');
        };
      });
      if (outcome === 'drained') return;
    }
  } finally {
    for (const { stream } of sources) stream.destroy();
  }
}

interface Source {
  readonly channel: 'stdout' | 'stderr';
  readonly stream: Readable;
  ended: boolean;
  onChange: () => void;
}

function listenTo(stream: Readable, channel: 'stdout' | 'stderr'): Source {
  const source: Source = { channel, stream, ended: stream.readableEnded, onChange: () => {} };
  const end = () => {
    source.ended = true;
    source.onChange();
  };
  stream
    .on('readable', () => source.onChange())
    .on('end', end)
    .on('error', end)
    .on('close', end);
  return source;
}

async function resizeTerminal(
  child: ChildStream,
  { columns, rows, clock }: { columns: number; rows: number; clock: Clock },
): Promise<void> {
  let terminal = terminalOf(child.pid);
  // The first size comes while `script` is still starting.
  for (let waitedMs = 0; !terminal && waitedMs < terminalWaitMs; waitedMs += terminalLookMs) {
    await sleep(clock, terminalLookMs);
    terminal = terminalOf(child.pid);
  }
  if (!terminal) return;
  const size = ['cols', String(Math.trunc(columns)), 'rows', String(Math.trunc(rows))];
  await run('stty', ['-F', terminal, ...size], { timeoutMs: resizeTimeoutMs });
}

/**
 * The terminal whose other end this process holds: /proc/<pid>/fdinfo tells the number of an open ptmx (Linux
 * 4.14).
 */
function terminalOf(pid: number): string | undefined {
  try {
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      if (!readlinkSync(`/proc/${pid}/fd/${descriptor}`).endsWith('ptmx')) continue;
      const index = /^tty-index:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'));
      if (index) return `/dev/pts/${index[1]}`;
    }
  } catch {
    return undefined;
  }
  return undefined;
}
