import { stream } from '../../../lib/exec.ts';
import type { LogOptions } from '../driver.ts';

export interface EngineLogQuestion extends LogOptions {
  command: string;
  /** The container's. */
  name: string;
  signal: AbortSignal;
}

/** A log as the engine's own `logs` tells it. */
export async function* askEngineLog({
  command,
  name,
  signal,
  ...options
}: EngineLogQuestion): AsyncGenerator<Uint8Array> {
  // One pipe for both, so that what the container said stays in its order.
  const pipes = { all: '2>&1', stdout: '2> /dev/null', stderr: '2>&1 > /dev/null' };
  const script = `exec "$@" ${pipes[options.stream ?? 'all']}`;
  const words = [command, 'logs', ...logArguments(options), name];
  const child = await stream('/bin/sh', ['-c', script, 'flotilla-logs', ...words], { signal });
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  try {
    for await (const chunk of child.stdout as AsyncIterable<Uint8Array>) {
      yield chunk.subarray(0, Math.min(left, chunk.length));
      left -= chunk.length;
      if (left <= 0) return;
    }
  } finally {
    child.kill('SIGKILL');
  }
}

function logArguments(options: LogOptions): string[] {
  return [
    ...(options.follow ? ['--follow'] : []),
    ...(options.timestamps ? ['--timestamps'] : []),
    ...(options.tailLines === undefined ? [] : ['--tail', String(options.tailLines)]),
    ...(options.sinceMs === undefined ? [] : ['--since', new Date(options.sinceMs).toISOString()]),
  ];
}
