import { createHash, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { isIP } from 'node:net';
import {
  derBits,
  derBoolean,
  derContext,
  derInteger,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8,
  derValue,
  readDer,
  readDerAll,
} from '../../lib/der.ts';
import type { Random } from '../../lib/random.ts';
import type { Subject } from './subject.ts';

/** What a certificate is to say (source: RFC 5280, 4.1). Keys are P-256, signatures ECDSA with SHA-256. */
export interface CertificateTemplate {
  subject: Subject;
  issuer: Subject;
  /** Of whom the certificate is. */
  publicKey: KeyObject;
  /** The issuer's. */
  signingKey: KeyObject;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  use: 'ca' | 'server' | 'client';
  /** DNS names and addresses of a server. */
  names?: readonly string[];
}

const oids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAlternativeName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

/** A signed certificate, PEM. `random` is for the serial number. */
export function createCertificate(template: CertificateTemplate, random: Random): string {
  const algorithm = derSequence(derOid(oids.ecdsaWithSha256));
  const toSign = derSequence(
    derContext(0, derInteger(Uint8Array.of(2))),
    derInteger(serialNumber(random)),
    algorithm,
    nameOf(template.issuer),
    derSequence(derTime(template.notBefore), derTime(template.notAfter)),
    nameOf(template.subject),
    template.publicKey.export({ type: 'spki', format: 'der' }),
    derContext(3, derSequence(...extensionsOf(template))),
  );
  const signature = sign('sha256', toSign, template.signingKey);
  return toPem('CERTIFICATE', derSequence(toSign, algorithm, derBits(signature)));
}

export function toPem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/** Positive, and at most 20 bytes long (RFC 5280, 4.1.2.2). */
function serialNumber(random: Random): Uint8Array {
  const bytes = Uint8Array.from(random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function nameOf({ commonName, organizations }: Subject): Uint8Array {
  const attribute = (oid: string, value: string) => derSet(derSequence(derOid(oid), derUtf8(value)));
  return derSequence(
    ...organizations.map((organization) => attribute(oids.organization, organization)),
    attribute(oids.commonName, commonName),
  );
}

function extensionsOf({ use, names = [], publicKey, signingKey }: CertificateTemplate): Uint8Array[] {
  const isCa = use === 'ca';
  const constraints = isCa ? derSequence(derBoolean(true), derInteger(Uint8Array.of(0))) : derSequence();
  // Bits 5 and 6 (signing certificates and revocation lists), or bit 0 (digital signature).
  const keyUsage = isCa ? derBits(Uint8Array.of(0b0000_0110), 1) : derBits(Uint8Array.of(0b1000_0000), 7);
  const extensions = [
    critical(oids.basicConstraints, constraints),
    critical(oids.keyUsage, keyUsage),
    extension(oids.subjectKeyIdentifier, derOctets(keyIdentifier(publicKey))),
    extension(
      oids.authorityKeyIdentifier,
      derSequence(derValue(0x80, keyIdentifier(createPublicKey(signingKey)))),
    ),
  ];
  if (!isCa) {
    const purpose = use === 'server' ? oids.serverAuth : oids.clientAuth;
    extensions.push(extension(oids.extendedKeyUsage, derSequence(derOid(purpose))));
  }
  if (names.length > 0) {
    extensions.push(extension(oids.subjectAlternativeName, derSequence(...names.map(alternativeName))));
  }
  return extensions;
}

function extension(oid: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), derOctets(value));
}

function critical(oid: string, value: Uint8Array): Uint8Array {
  return derSequence(derOid(oid), derBoolean(true), derOctets(value));
}

function alternativeName(name: string): Uint8Array {
  return isIP(name) === 0 ? derValue(0x82, Buffer.from(name, 'ascii')) : derValue(0x87, addressBytes(name));
}

function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number));
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const groups = (text: string) =>
    text.split(':').flatMap((group) => {
      if (group === '') return [];
      if (group.includes('.')) return Array.from(addressBytes(group));
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
  const first = groups(head);
  const last = groups(tail ?? '');
  return Uint8Array.from([
    ...first,
    ...Array.from({ length: 16 - first.length - last.length }, () => 0),
    ...last,
  ]);
}

/** First 20 bytes of the SHA-256 of the key's bits (RFC 7093, 2, method 1). */
function keyIdentifier(publicKey: KeyObject): Uint8Array {
  const info = readDer(publicKey.export({ type: 'spki', format: 'der' }));
  const bits = readDerAll(info.content)[1]?.content.subarray(1) ?? new Uint8Array();
  return createHash('sha256').update(bits).digest().subarray(0, 20);
}
