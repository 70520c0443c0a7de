import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '../../../../lib/random.ts';
import {
  type IssueOptions,
  openCertificateAuthority,
} from '../../../../server/identity/certificate-authority.ts';

export interface TestCertificate {
  key: string;
  certificate: string;
}

export interface TestAuthority {
  ca: string;
  server: TestCertificate;
  client(name: string, groups: readonly string[], options?: { notAfter?: Date }): TestCertificate;
}

const hourMs = 3_600_000;

/** A throw-away CA with a certificate for 127.0.0.1. */
export async function createTestAuthority(): Promise<TestAuthority> {
  const directory = mkdtempSync(join(tmpdir(), 'flotilla-ca-'));
  const authority = await openCertificateAuthority({
    directory,
    now: () => Date.now(),
    random: systemRandom,
  });
  rmSync(directory, { recursive: true });
  const issue = (options: Omit<IssueOptions, 'publicKey'>): TestCertificate => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    return { key, certificate: authority.issue({ ...options, publicKey }) };
  };
  return {
    ca: authority.certificate,
    server: issue({
      subject: { commonName: 'localhost', organizations: [] },
      use: 'server',
      names: ['127.0.0.1', 'localhost'],
      lifetimeMs: hourMs,
    }),
    client: (commonName, organizations, { notAfter } = {}) =>
      issue({
        subject: { commonName, organizations: [...organizations] },
        use: 'client',
        lifetimeMs: notAfter ? notAfter.getTime() - Date.now() : hourMs,
      }),
  };
}
