import { constants, type KeyObject, verify } from 'node:crypto';

/** A JSON web token taken apart, not verified. */
export interface SignedToken {
  algorithm: string;
  keyId: string | undefined;
  claims: Readonly<Record<string, unknown>>;
  signed: Buffer;
  signature: Buffer;
}

interface Algorithm {
  /** What kind of key it takes; a token may not choose another algorithm for a key than the key is for. */
  fits(key: KeyObject): boolean;
  verify(signed: Buffer, key: KeyObject, signature: Buffer): boolean;
}

/** Asymmetric algorithms only (source: RFC 7518, 3.1; RFC 8037): `none` and HMAC have no place with public keys. */
const algorithms: Readonly<Record<string, Algorithm>> = {
  RS256: rsa('sha256'),
  RS384: rsa('sha384'),
  RS512: rsa('sha512'),
  PS256: rsaPss('sha256'),
  PS384: rsaPss('sha384'),
  PS512: rsaPss('sha512'),
  ES256: ecdsa('sha256', 'prime256v1'),
  ES384: ecdsa('sha384', 'secp384r1'),
  ES512: ecdsa('sha512', 'secp521r1'),
  EdDSA: {
    fits: ({ asymmetricKeyType }) => asymmetricKeyType === 'ed25519',
    verify: (signed, key, signature) => verify(null, signed, key, signature),
  },
};

export const signingAlgorithms: readonly string[] = Object.keys(algorithms);

const tokenBytesMax = 64 * 1024;

/** Undefined for what is no signed token in compact form. */
export function readSignedToken(token: string): SignedToken | undefined {
  if (token.length > tokenBytesMax) return undefined;
  const [head, body, signature, ...more] = token.split('.');
  if (head === undefined || body === undefined || !signature || more.length > 0) return undefined;
  const header = decode(head);
  const claims = decode(body);
  if (!header || !claims || typeof header['alg'] !== 'string') return undefined;
  // Extensions that must be understood are none that this reader understands (RFC 7515, 4.1.11).
  if (header['crit'] !== undefined) return undefined;
  const keyId = header['kid'];
  return {
    algorithm: header['alg'],
    keyId: typeof keyId === 'string' ? keyId : undefined,
    claims,
    signed: Buffer.from(`${head}.${body}`),
    signature: Buffer.from(signature, 'base64url'),
  };
}

/** Whether `key` signed the token, by the algorithm that the token names. */
export function isSignedBy({ algorithm, signed, signature }: SignedToken, key: KeyObject): boolean {
  const how = Object.hasOwn(algorithms, algorithm) ? algorithms[algorithm] : undefined;
  return how !== undefined && how.fits(key) && how.verify(signed, key, signature);
}

const rsaBitsMin = 2048;

function isRsa({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  return asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= rsaBitsMin;
}

function rsa(hash: string): Algorithm {
  const padding = constants.RSA_PKCS1_PADDING;
  return {
    fits: isRsa,
    verify: (signed, key, signature) => verify(hash, signed, { key, padding }, signature),
  };
}

function rsaPss(hash: string): Algorithm {
  const options = {
    padding: constants.RSA_PKCS1_PSS_PADDING,
    saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
  };
  return {
    fits: isRsa,
    verify: (signed, key, signature) => verify(hash, signed, { key, ...options }, signature),
  };
}

function ecdsa(hash: string, curve: string): Algorithm {
  return {
    fits: ({ asymmetricKeyDetails }) => asymmetricKeyDetails?.namedCurve === curve,
    verify: (signed, key, signature) => verify(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature),
  };
}

function decode(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
