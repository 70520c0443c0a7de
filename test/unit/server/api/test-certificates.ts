import { webcrypto } from 'node:crypto';
import type * as X509 from '@peculiar/x509';

/** The package asks for this polyfill while it loads, and uses no more of it than that nothing is there. */
Object.assign(Reflect, { getMetadata: () => undefined, getOwnMetadata: () => undefined });
const x509 = await import('@peculiar/x509');

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface TestCertificate {
  key: string;
  certificate: string;
}

export interface TestAuthority {
  ca: string;
  server: TestCertificate;
  client(name: string, groups: readonly string[], options?: { notAfter?: Date }): Promise<TestCertificate>;
}

/** A throw-away CA with a certificate for 127.0.0.1. */
export async function createTestAuthority(): Promise<TestAuthority> {
  const caKeys = await generateKeys();
  const caName = 'CN=test-ca';
  const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const caCertificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01',
    name: caName,
    ...validity,
    keys: caKeys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  let serial = 1;

  async function issue(subject: X509.JsonName, extensions: X509.Extension[], notAfter?: Date) {
    const keys = await generateKeys();
    serial += 1;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial.toString(16).padStart(2, '0'),
      subject,
      issuer: caName,
      ...validity,
      ...(notAfter ? { notAfter } : {}),
      publicKey: keys.publicKey,
      signingKey: caKeys.privateKey,
      signingAlgorithm: algorithm,
      extensions,
    });
    return { key: await pemOf(keys.privateKey), certificate: certificate.toString('pem') };
  }

  return {
    ca: caCertificate.toString('pem'),
    server: await issue(
      [{ CN: ['localhost'] }],
      [
        new x509.SubjectAlternativeNameExtension([
          { type: 'ip', value: '127.0.0.1' },
          { type: 'dns', value: 'localhost' },
        ]),
      ],
    ),
    client: (name, groups, options) =>
      issue([{ CN: [name] }, ...groups.map((group) => ({ O: [group] }))], [], options?.notAfter),
  };
}

async function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}
