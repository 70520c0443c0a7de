import { CommandError } from './command.ts';

/**
 * Runs `task`; failures that carry words for a person (an error code of ours, or one of the operating system's that
 * setting up meets) become CommandErrors. Anything else is a defect and keeps its stack.
 */
export async function explainFailure<T>(task: () => T | Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    throw explain(error) ?? error;
  }
}

const explained = new Set([
  'ConfigError',
  'StoreError',
  'StatusError',
  'JoinError',
  'AgentError',
  'ServerError',
]);

function explain(error: unknown): CommandError | undefined {
  if (!(error instanceof Error)) return undefined;
  if (explained.has(error.name)) return new CommandError(error.message, { cause: error });
  const { code, port, address, path } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') {
    return new CommandError(
      `port ${port} on ${address} is in use: stop what listens there, or choose another port`,
      {
        cause: error,
      },
    );
  }
  if (code === 'EADDRNOTAVAIL') {
    return new CommandError(`${address} is not an address of this machine; see: ip address`, {
      cause: error,
    });
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    const what = path ?? (port === undefined ? 'a file' : `port ${port}`);
    return new CommandError(
      `no permission for ${what} (${code}): choose a place that this user may write to`,
      {
        cause: error,
      },
    );
  }
  if (code === 'ENOSPC')
    return new CommandError('the disk is full: free some space and start again', { cause: error });
  return undefined;
}
