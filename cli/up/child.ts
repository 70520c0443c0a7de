import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { type ChildStream, stream } from '../../lib/exec.ts';
import { checkoutDirectory } from '../checkout.ts';
import { CommandError } from '../command.ts';

/** A server or agent that `flotilla up` runs; its log goes to a file in the data folder. */
export interface Child {
  name: string;
  logFile: string;
  /** Rejects with the child's last words when it ends before `stop` was called; never resolves. */
  readonly failed: Promise<never>;
  /** Asks it to end and waits. */
  stop(): Promise<void>;
}

const lastWordsMax = 8;

/** Runs `flotilla <args>`, logging to `<directory>/<name>.log`. */
export async function startChild(name: string, args: readonly string[], directory: string): Promise<Child> {
  const logFile = join(directory, `${name}.log`);
  const child = await stream(join(checkoutDirectory(), 'cli/flotilla'), args);
  const lastWords = keepLog(child, logFile);
  let stopping = false;
  const failed = child.exit.then(async ({ exitCode }) => {
    if (stopping) return new Promise<never>(() => {});
    throw new CommandError(
      `the ${name} ended (exit code ${exitCode}):\n${lastWords.join('\n')}\nIts log: ${logFile}`,
    );
  });
  failed.catch(() => {});
  return {
    name,
    logFile,
    failed,
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      await child.exit;
    },
  };
}

/** Copies both streams to the file; returns a live list of the last lines. */
function keepLog(child: ChildStream, logFile: string): string[] {
  const file = createWriteStream(logFile);
  const lines: string[] = [];
  const keep = (chunk: Buffer) => {
    file.write(chunk);
    lines.push(
      ...chunk
        .toString('utf8')
        .split('\n')
        .filter((line) => line !== ''),
    );
    lines.splice(0, Math.max(0, lines.length - lastWordsMax));
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return lines;
}
