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
  session?: TlsSession | undefined;
  onSession?: (session: TlsSession) => void;
  /** Throws when the server is not the one meant. Nothing is sent before it returned. */
  verify(certificate: X509Certificate): void;
  clock: Clock;
  timeoutMs: number;
  signal?: AbortSignal;
}

/** What a later connection needs to go on where an earlier one was: TLS 1.3 shows no certificate again on resumption. */
export interface TlsSession {
  ticket: Uint8Array;
  /** Who the ticket was got from. */
  certificate: X509Certificate;
}

/** A verified TLS connection. Rejects with LinkError Unreachable, Timeout, Closed, or what `verify` threw. */
export async function dial(options: DialOptions): Promise<TLSSocket> {
  const { host, port } = options;
  const socket = connect(tlsOptions(options));
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
  try {
    await promise;
    const resumed = socket.isSessionReused() ? options.session?.certificate : undefined;
    const certificate = socket.getPeerX509Certificate() ?? resumed;
    if (!certificate) throw new LinkError('UntrustedServer', 'the server showed no certificate');
    options.verify(certificate);
    socket.on('session', (ticket) => options.onSession?.({ ticket, certificate }));
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

function tlsOptions({ host, port, credentials, session }: DialOptions): ConnectionOptions {
  return {
    host,
    port,
    servername: serverName,
    ...credentials,
    ...(session && { session: Buffer.from(session.ticket) }),
    // `verify` decides, on every connection, also on a resumed one.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    minVersion: 'TLSv1.2',
  };
}
