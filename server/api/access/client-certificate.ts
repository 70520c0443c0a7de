import { TLSSocket } from 'node:tls';
import type { Clock } from '../../../lib/clock.ts';
import { publicKeyHash } from '../../identity/public-key-hash.ts';
import { type Authenticator, unauthorized } from './authenticator.ts';
import { nodeOfUser } from './node-authorizer.ts';
import type { User } from './user.ts';

interface CertificateIdentity {
  user: User;
  validToMs: number;
  /** SHA-256 of the key, hex. */
  publicKeyHash: string;
}

export interface CertificateOptions {
  clock: Clock;
  /** Whether the device that is this node now has this key: certificates outlast devices. */
  holdsNode: (node: string, publicKeyHash: string) => Promise<boolean>;
}

/**
 * Common name → user, organisations → groups, as Kubernetes reads client certificates. TLS has verified the chain
 * against the server's CA when the socket is `authorized`; validity is looked at again at each request, since
 * connections outlive certificates.
 */
export function clientCertificateAuthenticator({ clock, holdsNode }: CertificateOptions): Authenticator {
  const identities = new WeakMap<TLSSocket, CertificateIdentity>();
  return async (request) => {
    const { socket } = request;
    if (!(socket instanceof TLSSocket)) return undefined;
    let identity = identities.get(socket);
    if (!identity) {
      identity = readIdentity(socket);
      if (!identity) return undefined;
      identities.set(socket, identity);
    }
    if (!socket.authorized || clock.now() > identity.validToMs) throw unauthorized();
    const node = nodeOfUser(identity.user);
    if (node !== undefined && !(await holdsNode(node, identity.publicKeyHash))) throw unauthorized();
    return identity.user;
  };
}

function readIdentity(socket: TLSSocket): CertificateIdentity | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  const { subject } = certificate.toLegacyObject();
  const name: unknown = subject.CN;
  if (typeof name !== 'string' || name === '') return undefined;
  const organisations: unknown = subject.O ?? [];
  const groups = [organisations].flat().filter((group) => typeof group === 'string');
  return {
    user: { name, groups },
    validToMs: certificate.validToDate.getTime(),
    publicKeyHash: publicKeyHash(certificate.publicKey),
  };
}
