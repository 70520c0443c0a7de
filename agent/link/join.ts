import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { encodeMessage } from '../../protocol/codec.ts';
import { certificatePin, type JoinToken, parseJoinToken } from '../../protocol/join-token.ts';
import { limits as builtInLimits, type Limits } from '../../protocol/limits.ts';
import { aclFor } from '../../protocol/topics/acl.ts';
import { type Message, topicString } from '../../protocol/topics/define-topic.ts';
import { joinRequest, joinResponse } from '../../protocol/topics/join.ts';
import { createCertificateRequest } from './certificate-request.ts';
import { type DeviceIdentity, loadOrMakeDeviceKey, saveDeviceIdentity } from './device-identity.ts';
import { dial } from './dial.ts';
import { Inbox } from './inbox.ts';
import { LinkError, type LinkErrorCode } from './link-error.ts';
import { MqttConnection } from './mqtt-connection.ts';
import { verifyServer } from './verify-server.ts';

export interface JoinOptions {
  server: { host: string; port: number };
  /** As `flotilla token create` printed it. */
  token: string;
  node: string;
  /** Where the identity is kept (DIR/identity). */
  directory: string;
  /** While false, the dates of the server's certificate are ignored. */
  clockTrusted: () => boolean;
  clock: Clock;
  random: Random;
  log: Logger;
  limits?: Partial<Limits>;
  signal?: AbortSignal;
}

/**
 * Makes this device a node: compares the server's CA with the token's pin before anything secret is sent, asks for
 * a certificate for a fresh key, and stores both. Rejects with a LinkError whose message a person can act on. An
 * attempt that broke off may be repeated, also with a token for one use.
 */
export async function joinCluster(options: JoinOptions): Promise<DeviceIdentity> {
  const token = parseJoinToken(options.token);
  if (!token) {
    throw new LinkError(
      'MalformedToken',
      'this is not a join token: it must look like <6>.<16 or more>.<43 characters>',
    );
  }
  const key = await loadOrMakeDeviceKey(options.directory);
  const answer = await ask(options, token, key);
  if (answer.type === 'refused') throw new LinkError(refusalCode(answer.reason), answer.message);
  const { cluster, certificate: cert, ca } = answer;
  assertUsable({ token, key, cert, ca });
  const identity = { cluster, node: options.node, cert, ca };
  await saveDeviceIdentity(options.directory, identity);
  return { ...identity, key: key.export({ type: 'pkcs8', format: 'pem' }) };
}

type Answer = Message<typeof joinResponse>;

async function ask(options: JoinOptions, token: JoinToken, key: KeyObject): Promise<Answer> {
  const { clock, log } = options;
  const limits = { ...builtInLimits, ...options.limits };
  const { cluster, stream } = await connect(options, token, limits);
  const id = Buffer.from(options.random.bytes(12)).toString('hex');
  const inbox = new Inbox(cluster, log);
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  inbox.on(joinResponse, resolve);
  const connection = await MqttConnection.open({
    stream,
    clientId: `join-${id}`,
    username: 'join',
    password: options.token.trim(),
    subscriptions: aclFor(cluster, { connection: 'join', id }).subscriptions,
    onMessage: (topic, payload) => inbox.receive(topic, payload),
    clock,
    limits,
  });
  const timer = clock.after(limits.answerTimeoutMs, () =>
    reject(new LinkError('Timeout', 'the server did not answer the request to join in time')),
  );
  const onAbort = () => reject(new LinkError('Closed', 'cancelled'));
  options.signal?.addEventListener('abort', onAbort, { once: true });
  void connection.closed.then((reason) =>
    reject(new LinkError('Closed', `the server ended the connection: ${reason}`)),
  );
  try {
    const { node } = options;
    const payloads = encodeMessage(joinRequest, { node, csr: createCertificateRequest(key, node) });
    connection.publish(topicString(joinRequest, cluster, { id }), joinRequest.qos, payloads);
    return await promise;
  } finally {
    timer.cancel();
    options.signal?.removeEventListener('abort', onAbort);
    await connection.end();
  }
}

/** A stream to a server whose CA is the token's, and the cluster that the server says it is of. */
async function connect(
  { server, clock, clockTrusted, signal }: JoinOptions,
  token: JoinToken,
  limits: Limits,
) {
  let cluster: string | undefined;
  const stream = await dial({
    ...server,
    verify: (certificate) => {
      const ca = certificate.issuerCertificate;
      if (!ca || certificatePin(ca.raw) !== token.pin) {
        throw new LinkError(
          'PinMismatch',
          `${server.host}:${server.port} is not the server that made this token (its CA is another one). ` +
            'Check the address, and that the token is of this cluster.',
        );
      }
      verifyServer(certificate, ca.toString(), { now: clock.now(), trusted: clockTrusted() });
      cluster = clusterOf(certificate);
    },
    clock,
    timeoutMs: limits.dialTimeoutMs,
    ...(signal && { signal }),
  });
  if (cluster !== undefined) return { cluster, stream };
  stream.destroy();
  throw new LinkError('UntrustedServer', "the server's certificate names no cluster");
}

/** The server's certificate carries the cluster's name as its organization. */
function clusterOf(certificate: X509Certificate): string | undefined {
  const organization: unknown = certificate.toLegacyObject().subject.O;
  return typeof organization === 'string' ? organization : undefined;
}

/** A certificate that is not for our key or not of the pinned CA would lock the device out; better to fail now. */
function assertUsable({
  token,
  key,
  cert,
  ca,
}: {
  token: JoinToken;
  key: KeyObject;
  cert: string;
  ca: string;
}): void {
  let isUsable = false;
  try {
    const certificate = new X509Certificate(cert);
    const ours = createPublicKey(key).export({ type: 'spki', format: 'der' });
    const theirs = certificate.publicKey.export({ type: 'spki', format: 'der' });
    const isOfCa = certificatePin(ca) === token.pin && certificate.verify(new X509Certificate(ca).publicKey);
    isUsable = isOfCa && ours.equals(theirs);
  } catch (cause) {
    throw new LinkError('ServerFailed', 'the server sent a certificate that cannot be read', { cause });
  }
  if (!isUsable)
    throw new LinkError('ServerFailed', "the server sent a certificate that is not this device's");
}

const refusals: ReadonlySet<string> = new Set<LinkErrorCode>([
  'BadRequest',
  'NameNotAllowed',
  'NameTaken',
  'ServerFailed',
  'TokenExpired',
  'TokenUnknown',
  'TokenUsed',
]);

function refusalCode(reason: string): LinkErrorCode {
  return refusals.has(reason) ? (reason as LinkErrorCode) : 'Refused';
}
