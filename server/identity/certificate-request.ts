import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type DerNode, readDer, readDerAll } from '../../lib/der.ts';

/** A certificate request that cannot be taken; the message says why and may be shown. */
export class CertificateRequestError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CertificateRequestError';
  }
}

const requestBytesMax = 8 * 1024;
const ecdsaWithSha256 = Buffer.from('06082a8648ce3d040302', 'hex');

/**
 * The public key of a PKCS#10 request (PEM; source: RFC 2986), proven to be the sender's by the request's own
 * signature. Nothing else of the request is used: names and rights in a certificate are the issuer's word. Throws
 * CertificateRequestError.
 */
export function readCertificateRequest(pem: string): KeyObject {
  const body =
    /^-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----\s([A-Za-z0-9+/=\s]+)-----END (?:NEW )?CERTIFICATE REQUEST-----\s*$/.exec(
      pem.trim(),
    )?.[1];
  if (body === undefined || body.length > requestBytesMax) {
    throw new CertificateRequestError('the certificate request is not PEM of a PKCS#10 request');
  }
  const { info, publicKey, signature } = parts(Buffer.from(body, 'base64'));
  const { asymmetricKeyType, asymmetricKeyDetails } = publicKey;
  if (asymmetricKeyType !== 'ec' || asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new CertificateRequestError('the key of the certificate request is not an ECDSA P-256 key');
  }
  if (!verify('sha256', info, publicKey, signature)) {
    throw new CertificateRequestError('the certificate request is not signed with its own key');
  }
  return publicKey;
}

function parts(der: Uint8Array): { info: Uint8Array; publicKey: KeyObject; signature: Uint8Array } {
  try {
    const request = sequence(readDer(der));
    const [info, algorithm, signature] = request;
    const spki = sequence(info)[2];
    if (!info || !spki || request.length !== 3 || signature?.tag !== 0x03 || signature.content[0] !== 0) {
      throw new RangeError('not a certificate request');
    }
    if (algorithm?.tag !== 0x30 || !Buffer.from(algorithm.content).equals(ecdsaWithSha256)) {
      throw new CertificateRequestError('the certificate request is not signed by ECDSA with SHA-256');
    }
    const publicKey = createPublicKey({ key: Buffer.from(spki.raw), format: 'der', type: 'spki' });
    return { info: info.raw, publicKey, signature: signature.content.subarray(1) };
  } catch (cause) {
    if (cause instanceof CertificateRequestError) throw cause;
    throw new CertificateRequestError('the certificate request cannot be read', { cause });
  }
}

function sequence(node: DerNode | undefined): DerNode[] {
  if (node?.tag !== 0x30) throw new RangeError('not a DER sequence');
  return readDerAll(node.content);
}
