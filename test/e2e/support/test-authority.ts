import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '../../../lib/random.ts';
import { openCertificateAuthority } from '../../../server/identity/certificate-authority.ts';

export interface ServingFiles {
  keyFile: string;
  certificateFile: string;
}

/** An authority of a test's own, for the servers that it starts. */
export interface HttpsAuthority {
  /** PEM in base64, as objects carry it. */
  caBundle: string;
  /** The key and certificate of a server with these names, in files. */
  serve(name: string, names: readonly string[]): Promise<ServingFiles>;
}

export async function openHttpsAuthority(directory: string): Promise<HttpsAuthority> {
  const own = join(directory, 'https-authority');
  await mkdir(own, { recursive: true });
  const now = () => Date.now();
  const authority = await openCertificateAuthority({ directory: own, now, random: systemRandom });
  return {
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    async serve(name, names) {
      const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const certificate = authority.issue({
        subject: { commonName: name, organizations: [] },
        publicKey,
        use: 'server',
        names,
        lifetimeMs: 3_600_000,
      });
      const files = { keyFile: join(own, `${name}-serving.key`), certificateFile: join(own, `${name}.crt`) };
      await writeFile(files.keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      await writeFile(files.certificateFile, certificate);
      return files;
    },
  };
}
