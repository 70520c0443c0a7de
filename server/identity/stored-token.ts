import { createHash, timingSafeEqual } from 'node:crypto';
import type { Secret } from '../../protocol/generated/models.ts';
import {
  type JoinToken,
  tokenKeys,
  tokenNamespace,
  tokenSecretName,
  tokenSecretType,
} from '../../protocol/join-token.ts';
import { secretKind } from '../../protocol/kinds/secret.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';

/** A token as it is stored, decoded. */
export interface StoredToken {
  id: string;
  /** Milliseconds since 1970; absent: never. NaN when it cannot be read, which counts as expired. */
  expiresAt?: number;
  singleUse: boolean;
  /** Pattern of node names; absent: any. */
  nodes?: string;
  rejoin: boolean;
  /** Groups of who shows the token to the API, beside system:bootstrappers. */
  groups: string[];
  usedBy?: { node: string; publicKeyHash: string };
}

/**
 * The stored token when `given` proves to know its secret; undefined for anything else, without telling what was
 * wrong.
 */
export async function findToken(
  registry: Registry,
  given: Pick<JoinToken, 'id' | 'secret'>,
): Promise<StoredToken | undefined> {
  const stored = await readSecret(registry, given.id);
  const expected = stored && field(stored, 'token-secret');
  // Compared also when there is nothing to compare with, so that time does not tell whether the id exists.
  const matches = timingSafeEqual(digest(expected ?? ''), digest(given.secret));
  if (!stored || expected === undefined || !matches) return undefined;
  if (field(stored, 'token-id') !== given.id) return undefined;
  if (field(stored, 'usage-bootstrap-authentication') !== 'true') return undefined;
  return decodeToken(given.id, stored);
}

const attemptsMax = 10;

/**
 * Marks a single-use token as used by this device. Of all who try at once exactly one wins, by compare-and-swap;
 * the same device may try again. False: somebody else has it, or it is gone.
 */
export async function consumeToken(
  registry: Registry,
  id: string,
  user: { node: string; publicKeyHash: string },
): Promise<boolean> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const stored = await readSecret(registry, id);
    if (!stored) return false;
    const { usedBy } = decodeToken(id, stored);
    if (usedBy) return usedBy.node === user.node && usedBy.publicKeyHash === user.publicKeyHash;
    const data = {
      ...stored.data,
      [tokenKeys.usedBy]: base64(user.node),
      [tokenKeys.usedByKey]: base64(user.publicKeyHash),
    };
    try {
      await registry.update(secretKind, { ...stored, data });
      return true;
    } catch (error) {
      if (!isStatus(error, 'Conflict') && !isStatus(error, 'NotFound')) throw error;
    }
  }
  return false;
}

/** `pattern` with `*` for any run of characters; without backtracking, since a person may have written many. */
export function matchesPattern(pattern: string, name: string): boolean {
  const parts = pattern.split('*');
  const first = parts.shift() ?? '';
  if (parts.length === 0) return name === first;
  const last = parts.pop() ?? '';
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - at >= last.length && name.endsWith(last);
}

/** No token may make its bearer a member of any other group (source: Kubernetes, bootstrap-tokens). */
const extraGroup = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

function decodeToken(id: string, secret: Secret): StoredToken {
  const expiration = field(secret, 'expiration');
  const nodes = field(secret, tokenKeys.nodes);
  const node = field(secret, tokenKeys.usedBy);
  const publicKeyHash = field(secret, tokenKeys.usedByKey) ?? '';
  return {
    id,
    ...(expiration !== undefined && { expiresAt: Date.parse(expiration) }),
    singleUse: field(secret, tokenKeys.singleUse) === 'true',
    ...(nodes !== undefined && { nodes }),
    rejoin: field(secret, tokenKeys.rejoin) === 'true',
    groups: (field(secret, 'auth-extra-groups') ?? '').split(',').filter((group) => extraGroup.test(group)),
    ...(node !== undefined && { usedBy: { node, publicKeyHash } }),
  };
}

async function readSecret(registry: Registry, id: string): Promise<Secret | undefined> {
  try {
    const at = { namespace: tokenNamespace, name: tokenSecretName(id) };
    const secret = await registry.get(secretKind, at);
    return secret.type === tokenSecretType ? secret : undefined;
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}

function field(secret: Secret, key: string): string | undefined {
  const value = secret.data?.[key];
  return value === undefined ? undefined : Buffer.from(value, 'base64').toString('utf8');
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Equal lengths, for a comparison in constant time. */
function digest(text: string): Uint8Array {
  return createHash('sha256').update(text).digest();
}
