import { createHash } from 'node:crypto';
import * as v from 'valibot';
import type { Clock } from '../../lib/clock.ts';
import { type Random, uuid } from '../../lib/random.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { serviceAccountKind } from '../../protocol/kinds/service-account.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';
import { type TokenSigner, unverifiedClaims } from './json-web-token.ts';

/**
 * Tokens of service accounts, in the claims that Kubernetes puts into them. A token dies with its account and with
 * the object that it is bound to, since both are looked up by uid at every use; nothing else revokes it before it
 * expires.
 */
export interface ServiceAccountTokens {
  readonly signer: TokenSigner;
  issue(request: TokenOrder): { token: string; expiresAt: number };
  /**
   * Undefined: not a token of this issuer. `refused`: it is, or says so, and does not hold.
   * `audiences`: which of them the token must be for at least one; the answer tells which it is for.
   */
  authenticate(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenIdentity | { refused: string } | undefined>;
}

export interface TokenOrder {
  account: ObjectReference & { namespace: string };
  audiences: readonly string[];
  expirationSeconds: number;
  boundTo?:
    | { kind: 'Pod'; pod: ObjectReference; node?: ObjectReference }
    | { kind: 'Secret' | 'Node'; object: ObjectReference };
}

export interface ObjectReference {
  name: string;
  uid: string;
}

export interface TokenIdentity {
  namespace: string;
  name: string;
  /** Of the account. */
  uid: string;
  tokenId: string | undefined;
  pod?: ObjectReference;
  node?: ObjectReference;
  audiences: string[];
}

export interface ServiceAccountTokenOptions {
  registry: Registry;
  signer: TokenSigner;
  clock: Clock;
  random: Random;
}

/** Checking a signature costs a fraction of a millisecond; clients send the same token with every request. */
const verifiedTokensMax = 4096;
/** Servers' clocks differ a little. */
const notBeforeLeewayMs = 60_000;
/** What is being deleted may say goodbye for so long (as Kubernetes). */
const deletedGraceMs = 60_000;

const reference = v.object({ name: v.string(), uid: v.string() });
const claimsSchema = v.object({
  iss: v.string(),
  sub: v.string(),
  aud: v.union([v.string(), v.array(v.string())]),
  exp: v.number(),
  nbf: v.optional(v.number(), 0),
  jti: v.optional(v.string()),
  'kubernetes.io': v.object({
    namespace: v.string(),
    serviceaccount: reference,
    pod: v.optional(reference),
    node: v.optional(reference),
    secret: v.optional(reference),
  }),
});
type Claims = v.InferOutput<typeof claimsSchema>;

export function createServiceAccountTokens(options: ServiceAccountTokenOptions): ServiceAccountTokens {
  const { signer, clock, random } = options;
  const verified = new Map<string, Claims>();

  function readClaims(token: string): Claims | undefined {
    const key = createHash('sha256').update(token).digest('base64');
    const known = verified.get(key);
    if (known) return known;
    const result = v.safeParse(claimsSchema, signer.read(token));
    if (!result.success || result.output.iss !== signer.issuer) return undefined;
    if (verified.size >= verifiedTokensMax) verified.clear();
    verified.set(key, result.output);
    return result.output;
  }

  return {
    signer,
    issue({ account, audiences, expirationSeconds, boundTo }) {
      const now = Math.floor(clock.now() / 1000);
      const expires = now + expirationSeconds;
      const token = signer.sign({
        aud: audiences,
        exp: expires,
        iat: now,
        iss: signer.issuer,
        jti: uuid(random),
        'kubernetes.io': {
          namespace: account.namespace,
          serviceaccount: { name: account.name, uid: account.uid },
          ...boundClaims(boundTo),
        },
        nbf: now,
        sub: `system:serviceaccount:${account.namespace}:${account.name}`,
      });
      return { token, expiresAt: expires * 1000 };
    },
    async authenticate(token, audiences) {
      if (unverifiedClaims(token)?.['iss'] !== signer.issuer) return undefined;
      const claims = readClaims(token);
      if (!claims) return { refused: 'the signature is not ours' };
      const meant = [claims.aud].flat().filter((audience) => audiences.includes(audience));
      if (meant.length === 0) return { refused: 'the token is not for this audience' };
      if (clock.now() >= claims.exp * 1000) return { refused: 'the token has expired' };
      if (clock.now() + notBeforeLeewayMs < claims.nbf * 1000)
        return { refused: 'the token is not valid yet' };
      const gone = await goneOf(options, claims);
      if (gone !== undefined) return { refused: `${gone} that the token belongs to is gone` };
      const { namespace, serviceaccount, pod, node } = claims['kubernetes.io'];
      return {
        namespace,
        ...serviceaccount,
        tokenId: claims.jti,
        ...(pod ? { pod } : {}),
        ...(node ? { node } : {}),
        audiences: meant,
      };
    },
  };
}

function boundClaims(boundTo: TokenOrder['boundTo']): object {
  if (!boundTo) return {};
  if (boundTo.kind === 'Pod') return { pod: boundTo.pod, ...(boundTo.node ? { node: boundTo.node } : {}) };
  const { name, uid } = boundTo.object;
  return boundTo.kind === 'Secret' ? { secret: { name, uid } } : { node: { name, uid } };
}

/** What a token belongs to and is not there any more. A pod's token names its node for information only. */
async function goneOf(
  { registry, clock }: ServiceAccountTokenOptions,
  { 'kubernetes.io': { namespace, serviceaccount, pod, node, secret } }: Claims,
): Promise<string | undefined> {
  const lives = async <T extends KubernetesObject>(
    kind: KindDefinition<T>,
    { name, uid }: ObjectReference,
  ): Promise<boolean> => {
    const found = await findObject(registry, kind, { name, ...(kind.namespaced ? { namespace } : {}) });
    if (!found || found.metadata?.uid !== uid) return false;
    const deletion = found.metadata.deletionTimestamp;
    return deletion === undefined || clock.now() < Date.parse(deletion) + deletedGraceMs;
  };
  if (!(await lives(serviceAccountKind, serviceaccount))) return 'the service account';
  // A pod's deletionTimestamp is when its grace ends already.
  if (pod && !(await lives(podKind, pod))) return 'the pod';
  if (secret && !(await lives(secretKind, secret))) return 'the secret';
  if (node && !pod && !(await lives(nodeKind, node))) return 'the node';
  return undefined;
}

async function findObject<T extends KubernetesObject>(
  registry: Registry,
  kind: KindDefinition<T>,
  at: { name: string; namespace?: string },
): Promise<T | undefined> {
  try {
    return await registry.get(kind, at);
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
