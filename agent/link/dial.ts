import type { X509Certificate } from 'node:crypto';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../../lib/clock.ts';
import { LinkError } from './link-error.ts';
import { serverName } from './verify-server.ts';

export interface DialOptions {
  host: string;
  port: number;
  /** PEM; absent while joining. */
  credentials?: { key: string; cert: string };
  /** From `onSession` of an earlier connection. A server that resumes it is the one that was verified then. */
  session?: Uint8Array | undefined;
  /** Called for verified connections only. */
  onSession?: (session: Uint8Array) => void;
  /** Throws when the server is not the one meant. Nothing is sent before it returned; a resumed session needs none. */
  verify(certificate: X509Certificate): void;
  clock: Clock;
  timeoutMs: number;
  signal?: AbortSignal;
}

/** A verified TLS connection. Rejects with LinkError Unreachable, Timeout, Closed, or what `verify` threw. */
export async function dial(options: DialOptions): Promise<TLSSocket> {
  const { host, port } = options;
  const socket = connect(tlsOptions(options));
  // Stream frames and their credit go back and forth; to hold one for the other's acknowledgement costs 40 ms a turn.
  socket.setNoDelay(true);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = options.clock.after(options.timeoutMs, () =>
    reject(new LinkError('Timeout', `${host}:${port} did not answer within ${options.timeoutMs / 1000} s`)),
  );
  const onAbort = () => reject(new LinkError('Closed', 'cancelled'));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  if (options.signal?.aborted) onAbort();
  const onError = (cause: Error) =>
    reject(new LinkError('Unreachable', `cannot connect to ${host}:${port}: ${cause.message}`, { cause }));
  const onClose = () => onError(new Error('the connection was closed'));
  socket.on('error', onError);
  socket.once('close', onClose);
  socket.once('secureConnect', resolve);
  let isVerified = false;
  let early: Uint8Array | undefined;
  socket.on('session', (session: Uint8Array) => {
    if (isVerified) options.onSession?.(session);
    else early = session;
  });
  try {
    await promise;
    verify(socket, options);
    isVerified = true;
    if (early) options.onSession?.(early);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    timer.cancel();
    options.signal?.removeEventListener('abort', onAbort);
    socket.off('close', onClose);
  }
}

function verify(socket: TLSSocket, options: DialOptions): void {
  // Only who holds the secrets of the earlier, verified connection can resume it; Node has no certificate to show then.
  if (options.session && socket.isSessionReused()) return;
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) throw new LinkError('UntrustedServer', 'the server showed no certificate');
  options.verify(certificate);
}

function tlsOptions({ host, port, credentials, session }: DialOptions): ConnectionOptions {
  return {
    host,
    port,
    servername: serverName,
    ...credentials,
    ...(session && { session: Buffer.from(session) }),
    // `verify` decides.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1.2',
  };
}
