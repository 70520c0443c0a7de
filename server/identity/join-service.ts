import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { parseJoinToken } from '../../protocol/join-token.ts';
import { limits } from '../../protocol/limits.ts';
import type { Message, TopicDefinition, TopicParameters } from '../../protocol/topics/define-topic.ts';
import { joinRequest, joinResponse } from '../../protocol/topics/join.ts';
import type { Registry } from '../registry/registry.ts';
import { AttemptLimit } from './attempt-limit.ts';
import { CertificateRequestError, readDeviceRequest } from './certificate-request.ts';
import type { Identity } from './identity.ts';
import { claimName, nameClaim, ownsName } from './node-key.ts';
import { publicKeyHash } from './public-key-hash.ts';
import { consumeToken, findToken, matchesPattern, type StoredToken } from './stored-token.ts';
import { isNodeName } from './subject.ts';

/** What joining needs of a bus (server/bus is one). */
export interface JoinBus {
  readonly cluster: string;
  publish<D extends TopicDefinition>(
    topic: D,
    parameters: TopicParameters,
    message: Message<D>,
  ): Promise<void>;
  subscribe<D extends TopicDefinition>(
    topic: D,
    handler: (message: Message<D>, parameters: TopicParameters) => void | Promise<void>,
  ): Disposable;
}

export interface JoinServiceOptions {
  registry: Registry;
  identity: Identity;
  clock: Clock;
  log: Logger;
}

/**
 * Decides who may connect, and makes certificates for devices that come with a token. Also the broker's
 * authenticator.
 */
export interface JoinService {
  device(request: { node: string; publicKeyHash: string }): Promise<boolean>;
  join(request: { id: string; token: string; address: string }): Promise<'accepted' | 'refused' | 'busy'>;
  /** Answers join requests that arrive on `bus`, until disposed. */
  serve(bus: JoinBus): Disposable;
}

/** Machine-readable reasons in a refusal; the agent tells its user by them. */
export type JoinRefusal =
  | 'BadRequest'
  | 'NameNotAllowed'
  | 'NameTaken'
  | 'ServerFailed'
  | 'TokenExpired'
  | 'TokenUnknown'
  | 'TokenUsed';

type Answer = Message<typeof joinResponse>;

/** Wrong tokens from one address before it has to wait. */
const failuresMax = 20;
const failureWindowMs = 60_000;
const addressesMax = 10_000;
/** Joining connections whose token is remembered. */
const pendingMax = 4_096;

export function createJoinService(options: JoinServiceOptions): JoinService {
  const { registry, clock, log } = options;
  const attempts = new AttemptLimit({ clock, failuresMax, windowMs: failureWindowMs, addressesMax });
  /** Tokens by the joining connection that proved to have them. */
  const pending = new Map<string, { token: { id: string; secret: string }; until: number }>();
  return {
    device: ({ node, publicKeyHash }) => ownsName(registry, node, publicKeyHash),
    async join({ id, token: text, address }) {
      if (attempts.isBlocked(address)) return 'busy';
      const token = parseJoinToken(text);
      const stored = token && (await findToken(registry, token));
      if (!token || !stored) {
        attempts.fail(address);
        log.info('a join token was refused', { address });
        return 'refused';
      }
      makeRoom(pending, clock.monotonic());
      pending.set(id, { token, until: clock.monotonic() + limits.joinConnectionMs });
      return 'accepted';
    },
    serve: (bus) =>
      bus.subscribe(joinRequest, async (request, { id = '' }) => {
        const known = pending.get(id);
        // One answer per connection: a token for many devices is no licence to make nodes as fast as packets come.
        pending.delete(id);
        const answer =
          known && known.until > clock.monotonic()
            ? await answerTo(options, bus.cluster, known.token, request)
            : refuse('TokenUnknown', 'This connection has not shown a token.');
        report(log, request.node, answer);
        await bus.publish(joinResponse, { id }, answer);
      }),
  };
}

/** Never rejects: whatever goes wrong becomes a refusal that the device's user can read. */
async function answerTo(
  options: JoinServiceOptions,
  cluster: string,
  token: { id: string; secret: string },
  request: Message<typeof joinRequest>,
): Promise<Answer> {
  try {
    return await issue(options, cluster, token, request);
  } catch (error) {
    if (error instanceof CertificateRequestError) return refuse('BadRequest', `${sentence(error.message)}.`);
    options.log.error('a join request failed', { node: request.node, error });
    return refuse('ServerFailed', 'The server could not take the request now; try again.');
  }
}

async function issue(
  { registry, identity, clock }: JoinServiceOptions,
  cluster: string,
  token: { id: string; secret: string },
  { node, csr }: Message<typeof joinRequest>,
): Promise<Answer> {
  if (!isNodeName(node)) {
    return refuse(
      'BadRequest',
      `${JSON.stringify(node)} is not a node name: lower-case letters, digits, dashes and dots, at most 253.`,
    );
  }
  const keyHash = publicKeyHash(readDeviceRequest(csr));
  const stored = await findToken(registry, token);
  const refusal = stored ? refusalOf(stored, node, keyHash, clock.now()) : unknownToken();
  if (!stored || refusal) return refusal ?? unknownToken();
  const claim = await nameClaim(registry, node, keyHash);
  if (claim === 'taken' && !stored.rejoin) return nameTaken(node);
  if (stored.singleUse && !(await consumeToken(registry, stored.id, { node, publicKeyHash: keyHash }))) {
    return tokenUsed();
  }
  if (!(await claimName(registry, node, { publicKeyHash: keyHash, force: stored.rejoin })))
    return nameTaken(node);
  const { certificate } = identity.signDevice(csr, node);
  return { type: 'issued', cluster, certificate, ca: identity.caCertificate };
}

/** What speaks against the token itself. Only its bearer hears this, so it may be said plainly. */
function refusalOf(token: StoredToken, node: string, keyHash: string, now: number): Answer | undefined {
  const { expiresAt, usedBy, nodes } = token;
  if (expiresAt !== undefined && !(expiresAt > now)) {
    const when = Number.isNaN(expiresAt) ? '' : ` at ${new Date(expiresAt).toISOString()}`;
    return refuse('TokenExpired', `The token expired${when}. Make a new one with: flotilla token create`);
  }
  const usedByOther = usedBy !== undefined && (usedBy.node !== node || usedBy.publicKeyHash !== keyHash);
  if (token.singleUse && usedByOther) return tokenUsed();
  if (nodes !== undefined && !matchesPattern(nodes, node)) {
    return refuse('NameNotAllowed', `The token is only for nodes named ${nodes}, not for ${node}.`);
  }
  return undefined;
}

function unknownToken(): Answer {
  return refuse('TokenUnknown', 'The server does not know this token; it may have been deleted.');
}

function tokenUsed(): Answer {
  return refuse(
    'TokenUsed',
    'The token was for one device and has been used. Make a new one with: flotilla token create',
  );
}

function nameTaken(node: string): Answer {
  return refuse(
    'NameTaken',
    `Another device has joined as ${node}. Choose another --name; or, if this is the same device reinstalled, ` +
      `remove the old node first (kubectl delete node ${node}) or use a token made with --allow-rejoin.`,
  );
}

function refuse(reason: JoinRefusal, message: string): Answer {
  return { type: 'refused', reason, message };
}

function report(log: Logger, node: string, answer: Answer): void {
  if (answer.type === 'issued') log.info('a device joined', { node });
  else log.info('a device was refused', { node, reason: answer.reason });
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function makeRoom(pending: Map<string, { until: number }>, now: number): void {
  for (const [id, { until }] of pending) {
    if (until > now && pending.size < pendingMax) return;
    pending.delete(id);
  }
}
