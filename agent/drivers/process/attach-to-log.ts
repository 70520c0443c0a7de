import type { ExecProcess } from '../driver.ts';

export interface AttachToLogOptions {
  /** What the process says from now on, until it ends or the signal aborts. */
  follow: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Asked once the process has ended. */
  exitCode: () => Promise<number>;
}

/**
 * A process of the host is attached to by way of its log, which it writes to itself; its standard input is empty. Both
 * outputs come as one.
 */
export function attachToLog({ follow, exitCode }: AttachToLogOptions): ExecProcess {
  const abort = new AbortController();
  const exit = Promise.withResolvers<number>();
  exit.promise.catch(() => {});
  return {
    write: () => Promise.reject(new Error('a process of the host has no standard input to attach to')),
    endStdin: () => {},
    resize: () => Promise.resolve(),
    async *output() {
      for await (const data of follow(abort.signal)) yield { channel: 'stdout', data };
      exit.resolve(abort.signal.aborted ? 0 : await exitCode());
    },
    exit: exit.promise,
    kill: () => abort.abort(),
  };
}
