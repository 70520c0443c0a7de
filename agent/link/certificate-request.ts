import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { derBits, derContext, derInteger, derOid, derSequence, derSet, derUtf8 } from '../../lib/der.ts';

const ecdsaWithSha256 = '1.2.840.10045.4.3.2';
const commonName = '2.5.4.3';

/** A PKCS#10 request (PEM; source: RFC 2986) for a P-256 key, named as Kubernetes names nodes. */
export function createCertificateRequest(key: KeyObject, node: string): string {
  const subject = derSequence(derSet(derSequence(derOid(commonName), derUtf8(`system:node:${node}`))));
  const publicKey = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const info = derSequence(derInteger(Uint8Array.of(0)), subject, publicKey, derContext(0));
  const algorithm = derSequence(derOid(ecdsaWithSha256));
  const request = derSequence(info, algorithm, derBits(sign('sha256', info, key)));
  const lines =
    Buffer.from(request)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join(
    '\n',
  );
}
