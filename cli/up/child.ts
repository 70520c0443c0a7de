import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ChildStream, stream } from '../../lib/exec.ts';
import { checkoutDirectory } from '../checkout.ts';
import { CommandError } from '../command.ts';

/** A server or agent that `flotilla up` runs; its log goes to a file in the data folder. */
export interface Child {
  name: string;
  logFile: string;
  /** Rejects with the child's last words when it ends before `stop` was called; never resolves. */
  readonly failed: Promise<never>;
  /** Resolves when it has printed a line like that. */
  saying(pattern: RegExp): Promise<void>;
  /** Asks it to end and waits. */
  stop(): Promise<void>;
}

const lastWordsMax = 8;

/** Runs `flotilla <args>`, logging to `<directory>/<name>.log`. */
export async function startChild(name: string, args: readonly string[], directory: string): Promise<Child> {
  const logFile = join(directory, `${name}.log`);
  const child = await stream(join(checkoutDirectory(), 'cli/flotilla'), args);
  const { lastWords, saying } = keepLog(child, logFile);
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
    saying,
    async stop() {
      stopping = true;
      child.kill('SIGTERM');
      await child.exit;
    },
  };
}

/** Copies both streams to the file; keeps the last lines and tells of lines that somebody waits for. */
function keepLog(child: ChildStream, logFile: string): { lastWords: string[] } & Pick<Child, 'saying'> {
  const file = createWriteStream(logFile);
  const lastWords: string[] = [];
  const waiting = new Set<{ pattern: RegExp; resolve: () => void }>();
  const keep = (line: string) => {
    file.write(`${line}\n`);
    lastWords.push(line);
    if (lastWords.length > lastWordsMax) lastWords.shift();
    for (const { pattern, resolve } of waiting) if (pattern.test(line)) resolve();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', keep);
  return {
    lastWords,
    saying: (pattern) => new Promise((resolve) => waiting.add({ pattern, resolve })),
  };
}
