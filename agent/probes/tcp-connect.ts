import { connect } from 'node:net';
import type { Outcome } from './take-action.ts';

/** A connection that comes about is success; nothing is said on it. */
export function connectOverTcp(
  { host, port }: { host: string; port: number },
  signal: AbortSignal,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal });
    socket.once('connect', () => {
      socket.destroy();
      resolve({ result: 'success', message: '' });
    });
    socket.once('error', (error) => {
      socket.destroy();
      if (signal.aborted) return reject(error);
      resolve({ result: 'failure', message: dialProblem(error, { host, port }) });
    });
  });
}

const problems: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by peer',
  EHOSTUNREACH: 'no route to host',
  ENETUNREACH: 'network is unreachable',
  ETIMEDOUT: 'connection timed out',
  ENOTFOUND: 'no such host',
};

/** As Go words it, because people search for that. */
export function dialProblem(error: Error, { host, port }: { host: string; port: number }): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const known = problems[code];
  if (known === undefined) return error.message;
  if (code === 'ECONNRESET') return known;
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return code === 'ENOTFOUND'
    ? `dial tcp: lookup ${host}: ${known}`
    : `dial tcp ${address}: connect: ${known}`;
}
