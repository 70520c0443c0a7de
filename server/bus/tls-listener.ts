import type { Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import type { Logger } from '../../lib/log.ts';
import { once } from '../../lib/once.ts';
import type { Limits } from '../../protocol/limits.ts';
import { publicKeyHash } from '../identity/public-key-hash.ts';
import { nodeOfSubject } from '../identity/subject.ts';
import { AddressLimit } from './address-limit.ts';
import type { Identity } from './admission.ts';

/** PEM. */
export interface ServerTls {
  key: string;
  cert: string;
  /** Signs devices' certificates. */
  ca: string;
}

const sessionTimeoutSeconds = 24 * 60 * 60;

export interface TlsListener extends AsyncDisposable {
  readonly port: number;
  /** New connections get the new certificate; open ones go on. */
  useCertificate(tls: ServerTls): void;
}

/**
 * Takes TLS connections with or without a client certificate and says whose they are. Rejects as `listen` does, e.g.
 * EADDRINUSE or EACCES.
 */
export async function listenTls(options: {
  tls: ServerTls;
  bind: string;
  port: number;
  limits: Limits;
  log: Logger;
  /** To call `known` says that the client is one that the server keeps count of itself: its address no longer does. */
  onConnection(socket: TLSSocket, identity: Identity, address: string, known: () => void): void;
}): Promise<TlsListener> {
  const { limits, log } = options;
  const addresses = new AddressLimit(limits.connectionsPerAddressMax);
  const server = createServer({
    ...options.tls,
    requestCert: true,
    // A device that joins has no certificate yet; what comes with a bad one is turned away at CONNECT.
    rejectUnauthorized: false,
    minVersion: 'TLSv1.2',
    handshakeTimeout: limits.connectTimeoutMs,
    noDelay: true,
    // A resumed connect costs a device a third of a full one. Whether the identity is still good is asked at every
    // CONNECT.
    sessionTimeout: sessionTimeoutSeconds,
  });
  const open = new Set<Socket>();
  const slots = new Map<string, () => void>();
  // First in line, so that a connection above the limit costs no handshake.
  server.prependListener('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    socket.on('error', () => {});
    if (!addresses.take(address)) {
      log.debug('connection refused: too many from this address', { address });
      socket.destroy();
      return;
    }
    open.add(socket);
    const peer = peerOf(socket);
    const giveBack = once(() => addresses.release(address));
    slots.set(peer, giveBack);
    socket.once('close', () => {
      open.delete(socket);
      slots.delete(peer);
      giveBack();
    });
  });
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    log.debug('TLS handshake failed', { error, address: socket.remoteAddress });
    socket.destroy();
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    const known = slots.get(peerOf(socket)) ?? (() => {});
    options.onConnection(socket, identityOf(socket), socket.remoteAddress ?? '', known);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: options.port, host: options.bind }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (error) => log.error('the MQTT listener failed', { error }));
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound ? bound.port : options.port,
    useCertificate: (tls) => server.setSecureContext(tls),
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Tells open connections apart, the TLS socket and the plain one beneath it being the same. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function identityOf(socket: TLSSocket): Identity {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return { type: 'anonymous' };
  const node = socket.authorized ? nodeOfSubject(certificate.subject) : undefined;
  if (node === undefined) return { type: 'untrusted' };
  return { type: 'device', node, publicKeyHash: publicKeyHash(certificate.publicKey) };
}
