import { createHash, type KeyObject } from 'node:crypto';

/** SHA-256 of a key's SubjectPublicKeyInfo, hex. */
export function publicKeyHash(publicKey: KeyObject): string {
  const info = publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(info).digest('hex');
}
