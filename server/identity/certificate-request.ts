import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type DerNode, readDer, readDerAll } from '../../lib/der.ts';
import { type RequestedNames, readName, readRequestedNames } from './requested-names.ts';

/** A certificate request that cannot be taken; the message says why and may be shown. */
export class CertificateRequestError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CertificateRequestError';
  }
}

/** What a request asks for, beyond its key. None of it is true before somebody approved it. */
export interface CertificateRequest extends RequestedNames {
  publicKey: KeyObject;
  commonName: string;
  organizations: string[];
  /** The whole subject as it was sent, DER. */
  subject: Uint8Array;
}

const requestBytesMax = 64 * 1024;
const rsaBitsMin = 2048;

/** How requests may be signed, by the whole DER of the algorithm; null: the key itself says (Ed25519). */
const signatureHashes: Readonly<Record<string, string | null>> = {
  '06082a8648ce3d040302': 'sha256',
  '06082a8648ce3d040303': 'sha384',
  '06082a8648ce3d040304': 'sha512',
  '06092a864886f70d01010b0500': 'sha256',
  '06092a864886f70d01010c0500': 'sha384',
  '06092a864886f70d01010d0500': 'sha512',
  '06032b6570': null,
};

/**
 * Reads a PKCS#10 request (PEM; source: RFC 2986) that is proven to be its key's owner's by its own signature. Throws
 * CertificateRequestError.
 */
export function readCertificateRequest(pem: string): CertificateRequest {
  const request = parts(bytesOf(pem));
  const { info, publicKey, signature, hash } = request;
  if (!isAcceptable(publicKey)) {
    throw new CertificateRequestError(
      'the key of the certificate request must be ECDSA (P-256, P-384, P-521), RSA of 2048 bits or more, or Ed25519',
    );
  }
  if (!verify(hash, info.raw, publicKey, signature)) {
    throw new CertificateRequestError('the certificate request is not signed with its own key');
  }
  return readable(() => {
    const [, subject, , attributes] = readDerAll(info.content);
    if (!subject) throw new RangeError('a request without a subject');
    const { commonName, organizations } = readName(subject);
    const names = readRequestedNames(attributes);
    return { publicKey, subject: subject.raw, commonName, organizations, ...names };
  });
}

/**
 * The key of a device's request: always P-256. Nothing else of the request is used: names and rights in a device's
 * certificate are the server's word. Throws CertificateRequestError.
 */
export function readDeviceRequest(pem: string): KeyObject {
  const { publicKey } = readCertificateRequest(pem);
  if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CertificateRequestError('the key of the certificate request is not an ECDSA P-256 key');
  }
  return publicKey;
}

function bytesOf(pem: string): Uint8Array {
  const body =
    /^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\s([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/.exec(
      pem.trim(),
    )?.[1];
  if (body === undefined || body.length > requestBytesMax) {
    throw new CertificateRequestError('the certificate request is not PEM of a PKCS#10 request');
  }
  return Buffer.from(body, 'base64');
}

interface RequestParts {
  info: DerNode;
  publicKey: KeyObject;
  signature: Uint8Array;
  hash: string | null;
}

function parts(der: Uint8Array): RequestParts {
  return readable(() => {
    const request = sequence(readDer(der));
    const [info, algorithm, signature] = request;
    const spki = sequence(info)[2];
    if (!info || !spki || request.length !== 3 || signature?.tag !== 0x03 || signature.content[0] !== 0) {
      throw new RangeError('not a certificate request');
    }
    const signedBy = algorithm?.tag === 0x30 ? Buffer.from(algorithm.content).toString('hex') : '';
    const hash = Object.hasOwn(signatureHashes, signedBy) ? signatureHashes[signedBy] : undefined;
    if (hash === undefined) {
      throw new CertificateRequestError('the certificate request is not signed in a way that is taken');
    }
    const publicKey = createPublicKey({ key: Buffer.from(spki.raw), format: 'der', type: 'spki' });
    return { info, publicKey, signature: signature.content.subarray(1), hash };
  });
}

function readable<R>(read: () => R): R {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof CertificateRequestError) throw cause;
    throw new CertificateRequestError('the certificate request cannot be read', { cause });
  }
}

function isAcceptable({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  const { namedCurve = '', modulusLength = 0 } = asymmetricKeyDetails ?? {};
  if (asymmetricKeyType === 'ec') return ['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve);
  if (asymmetricKeyType === 'rsa') return modulusLength >= rsaBitsMin;
  return asymmetricKeyType === 'ed25519';
}

function sequence(node: DerNode | undefined): DerNode[] {
  if (node?.tag !== 0x30) throw new RangeError('not a DER sequence');
  return readDerAll(node.content);
}
