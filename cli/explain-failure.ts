import { CommandError } from './command.ts';

/**
 * Runs `task`; failures that carry words for a person (an error of ours with a code, or one of the operating
 * system's that setting up meets) become CommandErrors. Anything else is a defect and keeps its stack.
 */
export async function explainFailure<T>(task: () => T | Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    const words = explain(error);
    throw words === undefined ? error : new CommandError(words, { cause: error });
  }
}

/** Errors whose messages are written for the person who runs the program. */
const explained = new Set([
  'AgentError',
  'ConfigError',
  'DriverError',
  'IdentityError',
  'LinkError',
  'StatusError',
  'StoreError',
]);

type SystemError = NodeJS.ErrnoException & { port?: number; address?: string };

const systemWords: Readonly<Record<string, (error: SystemError) => string>> = {
  EADDRINUSE: ({ port, address }) =>
    `port ${port} on ${address} is in use: stop what listens there, or choose another port`,
  EADDRNOTAVAIL: ({ address }) => `${address} is not an address of this machine; see: ip address`,
  EACCES: noPermission,
  EPERM: noPermission,
  EROFS: ({ path }) => `${path} is on a read-only file system: choose another place`,
  ENOSPC: () => 'the disk is full: free some space and start again',
};

function noPermission({ path, port }: SystemError): string {
  return `no permission for ${path ?? `port ${port}`}: choose another one, or another user`;
}

function explain(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (explained.has(error.name)) return error.message;
  const system: SystemError = error;
  const words = systemWords[system.code ?? ''];
  if (words) return words(system);
  return system.path === undefined ? explain(error.cause) : `${system.path} cannot be used: ${error.message}`;
}
