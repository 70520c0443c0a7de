import { get } from 'node:http';
import { createServer } from 'node:net';
import { CommandError } from '../command.ts';

/** Ports that are tried before giving up. */
const triesMax = 100;

/** `port`, or the next one on which nothing of this machine listens. */
export async function freePortFrom(port: number): Promise<number> {
  for (let candidate = port; candidate < port + triesMax; candidate += 1) {
    if (await isFree(candidate)) return candidate;
  }
  throw new CommandError(
    `no free port from ${port} to ${port + triesMax - 1}; choose another with --hello-port`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}

/** True when `url` answers at all, undefined when it does not. */
export function answersHttp(url: string): Promise<true | undefined> {
  return new Promise((resolve) => {
    const request = get(url, { timeout: 1000 }, (response) => {
      response.resume();
      resolve(true);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(undefined));
  });
}
