import type { AedesOptions, AuthenticateError, Client } from 'aedes';
import type { Limits } from '../../protocol/limits.ts';
import { admit } from './admission.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Session } from './session.ts';

/** Asks whether an identity or a token is still good; both may look into the registry. */
export interface Authenticator {
  /** A device with a certificate of our CA. False when the certificate is no longer the node's. */
  device(request: { node: string; publicKeyHash: string }): Promise<boolean>;
  /**
   * A device that has only a token. `busy` when the address has tried too often. The token counts for the
   * connection `id` until that connection ends.
   */
  join(request: { id: string; token: string; address: string }): Promise<'accepted' | 'refused' | 'busy'>;
}

export interface BrokerHooksOptions {
  cluster: string;
  limits: Limits;
  authenticator: Authenticator;
  dispatcher: Dispatcher;
  sessionOf: (client: Client) => Session | undefined;
  /** True while the broker shuts down; wills then mean nothing. */
  isClosing: () => boolean;
  onRefused: (session: Session, reason: string) => void;
}

type BrokerHooks = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>
>;

/**
 * What aedes asks before it does anything. None of these may throw, and each must bear a client that is null or
 * unknown: aedes asks for wills of brokers past with no client at all, and a hook that throws ends the process.
 */
export function createBrokerHooks(options: BrokerHooksOptions): BrokerHooks {
  const { sessionOf, dispatcher } = options;
  return {
    preConnect(client, packet, callback) {
      const session = sessionOf(client);
      if (!session) return callback(new Error('unknown connection'), false);
      session.admission = admit(options.cluster, session.identity, packet);
      callback(null, true);
    },
    authenticate(client, _username, password, done) {
      const session = sessionOf(client);
      if (!session) return done(refusal(5, 'unknown connection'), null);
      void authenticate(options, session, password).then(
        (error) => {
          if (error) options.onRefused(session, error.message);
          else session.guard.admit();
          done(error ?? null, !error);
        },
        (cause: unknown) => {
          options.onRefused(session, cause instanceof Error ? cause.message : 'authentication failed');
          done(refusal(3, 'authentication is not possible now'), null);
        },
      );
    },
    authorizePublish(client, packet, callback) {
      const session = client ? sessionOf(client) : undefined;
      const match = session?.acl?.publish(packet.topic);
      if (!session || !match || packet.retain || packet.qos > 1) {
        if (session) options.onRefused(session, `publish to ${packet.topic.slice(0, 200)}`);
        return callback(new Error('publish not allowed'));
      }
      if (options.isClosing()) return callback(new Error('the broker is closing'));
      const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
      dispatcher.receive(session.clientId ?? '', packet.topic, match, payload);
      callback(null);
    },
    authorizeSubscribe(client, subscription, callback) {
      const session = sessionOf(client);
      const { topic, qos } = subscription;
      const isFull =
        session !== undefined &&
        !session.filters.has(topic) &&
        session.filters.size >= options.limits.subscriptionsPerClientMax;
      if (!session?.acl?.maySubscribe(topic) || qos > 1 || isFull) {
        if (session) options.onRefused(session, `subscribe to ${topic.slice(0, 200)}`);
        return callback(null, null);
      }
      session.filters.add(topic);
      callback(null, subscription);
    },
  };
}

async function authenticate(
  { authenticator, limits }: BrokerHooksOptions,
  session: Session,
  password: Uint8Array | undefined,
): Promise<AuthenticateError | undefined> {
  const { admission, identity, address } = session;
  if (!admission) return refusal(5, 'unknown connection');
  if (!admission.admitted) return refusal(admission.returnCode, admission.reason);
  if (identity.type === 'device') {
    const isGood = await authenticator.device(identity);
    return isGood ? undefined : refusal(5, 'the certificate is no longer the one of this node');
  }
  if (admission.peer.connection !== 'join') return refusal(5, 'no certificate');
  session.expireAfter(limits.joinConnectionMs);
  const token = Buffer.from(password ?? []).toString('utf8');
  const answer = await authenticator.join({ id: admission.peer.id, token, address: address ?? '' });
  if (answer === 'busy') return refusal(3, 'too many attempts from this address');
  return answer === 'accepted' ? undefined : refusal(4, 'the token is not known');
}

/** `returnCode` as in CONNACK (source: MQTT 3.1.1, 3.2.2.3). aedes types it as an enum that cannot be imported. */
function refusal(returnCode: 2 | 3 | 4 | 5, reason: string): AuthenticateError {
  const error: Error & { returnCode?: number } = new Error(reason);
  error.returnCode = returnCode;
  return error as unknown as AuthenticateError;
}
