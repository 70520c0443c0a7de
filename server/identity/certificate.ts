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
import { bitsOf, extendedUsagesOf } from './key-usages.ts';
import type { Subject } from './subject.ts';

/** What a certificate is to say (source: RFC 5280, 4.1). Keys are P-256, signatures ECDSA with SHA-256. */
export interface CertificateTemplate {
  /** As names, or as DER that a request held. */
  subject: Subject | Uint8Array;
  issuer: Subject;
  /** Of whom the certificate is. */
  publicKey: KeyObject;
  /** The issuer's. */
  signingKey: KeyObject;
  /** Milliseconds since 1970. */
  notBefore: number;
  notAfter: number;
  /** A list holds usages in Kubernetes' words. */
  use: 'ca' | 'server' | 'client' | readonly string[];
  /** DNS names and addresses of a server. */
  names?: readonly string[];
  emails?: readonly string[];
  uris?: readonly string[];
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

function nameOf(subject: Subject | Uint8Array): Uint8Array {
  if (subject instanceof Uint8Array) return subject;
  const { commonName, organizations } = subject;
  const attribute = (oid: string, value: string) => derSet(derSequence(derOid(oid), derUtf8(value)));
  return derSequence(
    ...organizations.map((organization) => attribute(oids.organization, organization)),
    attribute(oids.commonName, commonName),
  );
}

function extensionsOf(template: CertificateTemplate): Uint8Array[] {
  const { use, publicKey, signingKey } = template;
  const isCa = use === 'ca';
  const constraints = isCa ? derSequence(derBoolean(true), derInteger(Uint8Array.of(0))) : derSequence();
  const usages = usagesOf(use);
  const extensions = [critical(oids.basicConstraints, constraints)];
  const { bits, unusedBits } = bitsOf(usages);
  if (bits.length > 0) extensions.push(critical(oids.keyUsage, derBits(bits, unusedBits)));
  extensions.push(
    extension(oids.subjectKeyIdentifier, derOctets(keyIdentifier(publicKey))),
    extension(
      oids.authorityKeyIdentifier,
      derSequence(derValue(0x80, keyIdentifier(createPublicKey(signingKey)))),
    ),
  );
  const purposes = extendedUsagesOf(usages);
  if (purposes.length > 0) {
    extensions.push(extension(oids.extendedKeyUsage, derSequence(...purposes.map(derOid))));
  }
  const names = alternativeNames(template);
  if (names.length > 0) extensions.push(extension(oids.subjectAlternativeName, derSequence(...names)));
  return extensions;
}

function usagesOf(use: CertificateTemplate['use']): readonly string[] {
  if (use === 'ca') return ['cert sign', 'crl sign'];
  if (use === 'server') return ['digital signature', 'server auth'];
  if (use === 'client') return ['digital signature', 'client auth'];
  return use;
}

function alternativeNames({ names = [], emails = [], uris = [] }: CertificateTemplate): Uint8Array[] {
  return [
    ...names.map(alternativeName),
    ...emails.map((email) => derValue(0x81, Buffer.from(email, 'ascii'))),
    ...uris.map((uri) => derValue(0x86, Buffer.from(uri, 'ascii'))),
  ];
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
