import type { Duplex } from 'node:stream';
import type { Clock } from '../../lib/clock.ts';
import { limits as builtInLimits, type Limits } from '../../protocol/limits.ts';
import { dial } from './dial.ts';
import { verifyServer } from './verify-server.ts';

/** A device's identity towards the server, PEM. */
export interface Credentials {
  key: string;
  cert: string;
  ca: string;
}

export interface DialerOptions {
  server: { host: string; port: number };
  /** Read anew for every connection, so that a renewed certificate is used as soon as it is there. */
  credentials(): Promise<Credentials>;
  /** While false, the dates of the server's certificate are ignored (a board without a battery wakes up in 1970). */
  clockTrusted(): boolean;
  clock: Clock;
  limits?: Partial<Limits>;
}

/** Makes the `dial` of a link. TLS sessions are kept: a resumed connect costs 1.5 kB instead of 4. */
export function createDialer(options: DialerOptions): (signal: AbortSignal) => Promise<Duplex> {
  const { server, clock } = options;
  let resumable: { cert: string; session: Uint8Array } | undefined;
  return async (signal) => {
    const { key, cert, ca } = await options.credentials();
    return dial({
      ...server,
      credentials: { key, cert },
      session: resumable?.cert === cert ? resumable.session : undefined,
      onSession: (session) => {
        resumable = { cert, session };
      },
      verify: (certificate) =>
        verifyServer(certificate, ca, { now: clock.now(), trusted: options.clockTrusted() }),
      clock,
      timeoutMs: options.limits?.dialTimeoutMs ?? builtInLimits.dialTimeoutMs,
      signal,
    });
  };
}
