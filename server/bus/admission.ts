import { type Acl, aclFor, type Peer } from '../../protocol/topics/acl.ts';
import { topicString } from '../../protocol/topics/define-topic.ts';
import { gone } from '../../protocol/topics/sync.ts';

/** Who is at the other end of a socket, as far as TLS can tell. */
export type Identity =
  | { type: 'device'; node: string /** SHA-256 of the SubjectPublicKeyInfo, hex. */; publicKeyHash: string }
  /** No certificate: may only join. */
  | { type: 'anonymous' }
  /** A certificate that our CA did not sign, or not for a device. */
  | { type: 'untrusted' };

/** What of a CONNECT packet decides. */
export interface ConnectRequest {
  clientId: string;
  protocolVersion?: number | undefined;
  clean?: boolean | undefined;
  username?: string | undefined;
  will?:
    | { topic: string; qos?: number | undefined; retain?: boolean | undefined; payload: Uint8Array | string }
    | undefined;
}

export type Admission =
  | { admitted: true; peer: Peer; acl: Acl }
  /** `returnCode` as in CONNACK: 2 identifier rejected, 5 not authorized. */
  | { admitted: false; returnCode: 2 | 5; reason: string };

const joinClientId = /^join-([a-z0-9]{8,32})$/;

/** Decides on a CONNECT by itself; whether the device or the token is still good is asked afterwards. */
export function admit(cluster: string, identity: Identity, request: ConnectRequest): Admission {
  if (identity.type === 'untrusted')
    return refuse(5, 'the certificate is not one of a device of this cluster');
  if (request.protocolVersion !== 4) return refuse(5, 'only MQTT 3.1.1 is spoken');
  if (request.clean !== true) return refuse(5, 'only clean sessions are kept');
  const peer = identity.type === 'device' ? devicePeer(identity.node, request) : joinPeer(request);
  if (!peer) return refuse(2, 'the client id is not the one of this identity');
  const will = request.will;
  if (will && !isOwnWill(cluster, peer, will)) return refuse(5, 'the will is not on the own topic for it');
  return { admitted: true, peer, acl: aclFor(cluster, peer) };
}

/** The client id under which a peer connects. */
export function clientIdOf(peer: Peer): string {
  if (peer.connection === 'join') return `join-${peer.id}`;
  return peer.connection === 'stream' ? `${peer.node}/stream` : peer.node;
}

function devicePeer(node: string, { clientId }: ConnectRequest): Peer | undefined {
  const peers: Peer[] = [
    { connection: 'control', node },
    { connection: 'stream', node },
  ];
  return peers.find((peer) => clientIdOf(peer) === clientId);
}

function joinPeer({ clientId, username }: ConnectRequest): Peer | undefined {
  const id = joinClientId.exec(clientId)?.[1];
  return id !== undefined && username === 'join' ? { connection: 'join', id } : undefined;
}

function isOwnWill(cluster: string, peer: Peer, will: NonNullable<ConnectRequest['will']>): boolean {
  if (peer.connection !== 'control') return false;
  const isPlain = will.retain !== true && (will.qos ?? 0) <= 1;
  return isPlain && will.topic === topicString(gone, cluster, { node: peer.node });
}

function refuse(returnCode: 2 | 5, reason: string): Admission {
  return { admitted: false, returnCode, reason };
}
