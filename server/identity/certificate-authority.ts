import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../../lib/random.ts';
import { writeFileAtomic } from '../../lib/write-file-atomic.ts';
import { type CertificateTemplate, createCertificate } from './certificate.ts';
import type { Subject } from './subject.ts';

/**
 * Key files that contradict each other or cannot be read; a person must look, since guessing would lock every
 * device out.
 */
export class IdentityError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'IdentityError';
  }
}

export interface IssueOptions
  extends Pick<CertificateTemplate, 'subject' | 'publicKey' | 'names' | 'emails' | 'uris'> {
  use: Exclude<CertificateTemplate['use'], 'ca'>;
  lifetimeMs: number;
}

export interface CertificateAuthority {
  /** PEM. */
  readonly certificate: string;
  issue(options: IssueOptions): string;
}

const yearMs = 365 * 24 * 60 * 60 * 1000;
const caLifetimeMs = 20 * yearMs;
/** Devices and laptops with clocks that are somewhat slow still accept a fresh certificate. */
const backdatedMs = 7 * 24 * 60 * 60 * 1000;
/** No server runs before this, whatever its clock says: a board without a battery may wake up in 1970. */
const earliestNow = Date.UTC(2026, 0, 1);

/** A CA in `directory` (`ca.key`, `ca.crt`), made when there is none; the cluster's unless named. Throws IdentityError. */
export async function openCertificateAuthority(options: {
  directory: string;
  commonName?: string;
  now: () => number;
  random: Random;
}): Promise<CertificateAuthority> {
  const { directory, random, commonName = 'flotilla-ca' } = options;
  const caSubject: Subject = { commonName, organizations: [] };
  const now = () => Math.max(options.now(), earliestNow);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = await loadOrMakeKey(directory, 'ca', await readIfThere(join(directory, 'ca.crt')));
  const certificate = await loadOrMakeCaCertificate(directory, key, { caSubject, now: now(), random });
  const caEnd = new X509Certificate(certificate).validToDate.getTime();
  return {
    certificate,
    issue: ({ lifetimeMs, ...asked }) =>
      createCertificate(
        {
          ...asked,
          issuer: caSubject,
          signingKey: key,
          notBefore: now() - backdatedMs,
          notAfter: Math.min(now() + lifetimeMs, caEnd),
        },
        random,
      ),
  };
}

/** A key file beside its certificate. A certificate without its key is an error: somebody lost a file. */
export async function loadOrMakeKey(
  directory: string,
  name: string,
  certificate: string | undefined,
): Promise<KeyObject> {
  const path = join(directory, `${name}.key`);
  const pem = await readIfThere(path);
  if (pem !== undefined) return parseKey(path, pem);
  if (certificate !== undefined && name === 'ca') {
    throw new IdentityError(
      `${path} is missing, but its certificate is there: restore the key from a backup. Without it no device can connect.`,
    );
  }
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFileAtomic(path, privateKey.export({ type: 'pkcs8', format: 'pem' }), 0o600);
  return privateKey;
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new IdentityError(`cannot read ${path}`, { cause });
  }
}

async function loadOrMakeCaCertificate(
  directory: string,
  key: KeyObject,
  { caSubject, now, random }: { caSubject: Subject; now: number; random: Random },
): Promise<string> {
  const path = join(directory, 'ca.crt');
  const existing = await readIfThere(path);
  if (existing !== undefined) {
    if (belongsTogether(existing, key)) return existing;
    throw new IdentityError(`${path} does not belong to ca.key beside it: restore both from one backup`);
  }
  // Also after a lost ca.crt: devices pin the key, so a new certificate for the old key is as good.
  const certificate = createCertificate(
    {
      subject: caSubject,
      issuer: caSubject,
      publicKey: createPublicKey(key),
      signingKey: key,
      notBefore: Math.min(now, earliestNow) - backdatedMs,
      notAfter: now + caLifetimeMs,
      use: 'ca',
    },
    random,
  );
  await writeFileAtomic(path, certificate, 0o600);
  return certificate;
}

export function belongsTogether(certificate: string, key: KeyObject): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(key);
  } catch {
    return false;
  }
}

function parseKey(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new IdentityError(`${path} does not hold a private key`, { cause });
  }
}
