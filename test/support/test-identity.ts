import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificateRequest } from '../../agent/link/certificate-request.ts';
import { type Clock, systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { systemRandom } from '../../lib/random.ts';
import { type Identity, openIdentity } from '../../server/identity/identity.ts';

export interface TestIdentity extends AsyncDisposable {
  identity: Identity;
  directory: string;
  /** Key and certificate of a device, PEM. */
  device(node: string): { key: string; cert: string; ca: string };
}

/** A cluster's keys in a folder of their own, which goes with it. */
export async function makeIdentity({
  cluster = 'c1',
  clock = systemClock,
  names = [],
}: {
  cluster?: string;
  clock?: Clock;
  names?: string[];
} = {}): Promise<TestIdentity> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-pki-'));
  const identity = await openIdentity({
    directory,
    cluster,
    names,
    clock,
    random: systemRandom,
    log: silentLogger,
  });
  return {
    identity,
    directory,
    device(node) {
      const { privateKey } = generateKeyPairSync('ec', {
        namedCurve: 'P-256',
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
        publicKeyEncoding: { type: 'spki', format: 'pem' },
      });
      const csr = createCertificateRequest(createPrivateKey(privateKey), node);
      const { certificate } = identity.signDevice(csr, node);
      return { key: privateKey, cert: certificate, ca: identity.caCertificate };
    },
    async [Symbol.asyncDispose]() {
      identity[Symbol.dispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
