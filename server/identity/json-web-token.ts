import { createHash, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

/**
 * Signed tokens in the one form that this server makes: ES256 (ECDSA on P-256 with SHA-256; RFC 7515, 7518).
 * Anything else is no token of ours, whatever its header says about how it wants to be checked.
 */
export interface TokenSigner {
  readonly issuer: string;
  /** The public keys, as OpenID Connect publishes them (RFC 7517). */
  readonly keySet: { keys: Record<string, unknown>[] };
  sign(claims: Readonly<Record<string, unknown>>): string;
  /** The claims when this key signed them; it does not look at times or audiences. */
  read(token: string): Readonly<Record<string, unknown>> | undefined;
}

const algorithm = 'ES256';
export const tokenBytesMax = 16 * 1024;

/** `key` must be a private key on P-256; throws a TypeError otherwise. */
export function createTokenSigner({ key, issuer }: { key: KeyObject; issuer: string }): TokenSigner {
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new TypeError('the key that signs tokens must be an elliptic curve key on P-256');
  const publicKey = createPublicKey(key);
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const id = createHash('sha256').update(der).digest('base64url');
  const header = encode({ alg: algorithm, kid: id });
  return {
    issuer,
    keySet: { keys: [{ use: 'sig', kid: id, alg: algorithm, ...publicKey.export({ format: 'jwk' }) }] },
    sign(claims) {
      const signed = `${header}.${encode(claims)}`;
      const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
      return `${signed}.${signature.toString('base64url')}`;
    },
    read(token) {
      if (token.length > tokenBytesMax) return undefined;
      const [head, body, signature, ...more] = token.split('.');
      if (head === undefined || body === undefined || signature === undefined || more.length > 0)
        return undefined;
      const { alg, kid } = decode(head) ?? {};
      if (alg !== algorithm || kid !== id) return undefined;
      const signed = Buffer.from(`${head}.${body}`);
      const key = { key: publicKey, dsaEncoding: 'ieee-p1363' as const };
      return verify('sha256', signed, key, Buffer.from(signature, 'base64url')) ? decode(body) : undefined;
    },
  };
}

/** The claims of any JSON web token, unverified: to see whose it claims to be. */
export function unverifiedClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  const [, body] = token.length > tokenBytesMax ? [] : token.split('.');
  return body === undefined ? undefined : decode(body);
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
