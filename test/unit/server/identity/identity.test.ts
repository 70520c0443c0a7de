import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { createCertificateRequest } from '../../../../agent/link/certificate-request.ts';
import { LinkError } from '../../../../agent/link/link-error.ts';
import { verifyServer } from '../../../../agent/link/verify-server.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { systemRandom } from '../../../../lib/random.ts';
import { certificatePin } from '../../../../protocol/join-token.ts';
import { openIdentity } from '../../../../server/identity/identity.ts';
import { nodeOfSubject } from '../../../../server/identity/subject.ts';
import { eventually } from '../../../support/eventually.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { makeIdentity } from '../../../support/test-identity.ts';

const day = 24 * 60 * 60 * 1000;

async function reopen(
  directory: string,
  options: { names?: string[]; clock?: ManualClock; cluster?: string } = {},
) {
  const { names = [], clock = new ManualClock(), cluster = 'c1' } = options;
  const identity = await openIdentity({
    directory,
    cluster,
    names,
    clock,
    random: systemRandom,
    log: silentLogger,
  });
  identity[Symbol.dispose]();
  return identity;
}

/** A day, and then the daily check to its end, which reads files. */
async function nextDay(clock: ManualClock): Promise<void> {
  await clock.advance(day);
  await eventually(() => clock.nextDelay !== undefined, 'the next check is due');
}

const leaf = (pem: string) => new X509Certificate(pem);

describe('the server’s identity', () => {
  it('is made once, for nobody else to read, and is the same after a restart', async () => {
    await using made = await makeIdentity({ clock: new ManualClock() });
    for (const entry of await readdir(made.directory, { withFileTypes: true, recursive: true })) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      assert.equal(mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
    }
    const again = await reopen(made.directory);
    assert.deepEqual(again.server, made.identity.server);
    assert.deepEqual(again.frontProxy, made.identity.frontProxy);
    assert.equal(again.caPin, certificatePin(made.identity.caCertificate));
  });

  it('speaks for users by an authority of its own, which signs nobody else', async () => {
    await using made = await makeIdentity({ clock: new ManualClock() });
    const { ca, certificate, commonName } = made.identity.frontProxy;
    assert.equal(leaf(certificate).subject, `CN=${commonName}`);
    assert.ok(leaf(certificate).verify(leaf(ca).publicKey));
    assert.ok(!leaf(made.identity.server.cert).verify(leaf(ca).publicKey));
  });

  it('names every way to reach the server, and renews the certificate when they change', async () => {
    const clock = new ManualClock();
    await using made = await makeIdentity({ names: ['Pi.example', '10.0.0.5', 'fd00::5'], clock });
    const certificate = leaf(made.identity.server.cert);
    for (const name of ['localhost', 'kubernetes.default.svc', 'server.flotilla', 'pi.example']) {
      assert.equal(certificate.checkHost(name), name);
    }
    for (const address of ['127.0.0.1', '::1', '10.0.0.5', 'fd00::5']) {
      assert.equal(certificate.checkIP(address), address);
    }
    const names = ['Pi.example', '10.0.0.5', 'fd00::5'];
    assert.equal((await reopen(made.directory, { names, clock })).server.cert, made.identity.server.cert);
    const moved = await reopen(made.directory, { names: ['10.0.0.6'], clock });
    assert.equal(leaf(moved.server.cert).checkIP('10.0.0.6'), '10.0.0.6');
    assert.equal(leaf(moved.server.cert).checkIP('10.0.0.5'), undefined);
    assert.equal(moved.caCertificate, made.identity.caCertificate);
    await assert.rejects(
      () => reopen(made.directory, { names: ['https://pi'] }),
      /neither a DNS name nor an address/,
    );
  });

  it('renews the server’s certificate before it ends, while the server runs', async () => {
    const clock = new ManualClock();
    await using made = await makeIdentity({ clock });
    const before = made.identity.server.cert;
    const renewed: string[] = [];
    made.identity.onRenewed(({ cert }) => void renewed.push(cert));
    for (let days = 0; days < 274; days++) await nextDay(clock);
    assert.equal(made.identity.server.cert, before);
    for (let days = 0; days < 3; days++) await nextDay(clock);
    assert.notEqual(made.identity.server.cert, before);
    assert.deepEqual(renewed, [made.identity.server.cert]);
  });

  it('lasts also when the server’s first start was in 1970', async () => {
    await using made = await makeIdentity({ clock: new ManualClock(0) });
    assert(leaf(made.identity.caCertificate).validToDate.getTime() > Date.UTC(2045, 0, 1));
    assert(leaf(made.identity.server.cert).validToDate.getTime() > Date.UTC(2026, 11, 1));
  });

  it('is never made anew while devices may pin the old one', async () => {
    await using made = await makeIdentity();
    const { directory } = made;
    const caKey = join(directory, 'ca.key');
    const saved = await readFile(caKey, 'utf8');
    await rm(join(directory, 'ca.crt'));
    assert.equal((await reopen(directory)).caPin, made.identity.caPin);
    await rm(caKey);
    await assert.rejects(() => reopen(directory), /restore the key from a backup/);
    await using other = await makeIdentity();
    await rm(join(other.directory, 'ca.crt'));
    await writeFile(caKey, await readFile(join(other.directory, 'ca.key'), 'utf8'));
    await assert.rejects(() => reopen(directory), /does not belong to ca.key/);
    await writeFile(caKey, 'nonsense');
    await assert.rejects(() => reopen(directory), /does not hold a private key/);
    await writeFile(caKey, saved);
    assert.equal((await reopen(directory)).caPin, made.identity.caPin);
  });

  it('writes a kubeconfig for an admin', async () => {
    await using made = await makeIdentity();
    const text = made.identity.kubeconfig({ server: 'https://127.0.0.1:6443', cluster: 'c1' });
    const config = parse(text) as {
      clusters: { cluster: Record<string, string> }[];
      users: { user: Record<string, string> }[];
    };
    const decode = (value = '') => Buffer.from(value, 'base64').toString();
    assert.equal(config.clusters[0]?.cluster['server'], 'https://127.0.0.1:6443');
    const user = config.users[0]?.user ?? {};
    const certificate = leaf(decode(user['client-certificate-data']));
    assert.equal(certificate.subject, 'O=system:masters\nCN=kubernetes-admin');
    assert(certificate.checkPrivateKey(createPrivateKey(decode(user['client-key-data']))));
    assert(certificate.verify(leaf(made.identity.caCertificate).publicKey));
  });
});

describe('a device’s certificate', () => {
  it('is for a client of the node’s name, whatever the request asked for', async () => {
    await using made = await makeIdentity();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const csr = createCertificateRequest(privateKey, 'other');
    const { certificate } = made.identity.signDevice(csr, 'pi.kitchen');
    const parsed = leaf(certificate);
    assert.equal(nodeOfSubject(parsed.subject), 'pi.kitchen');
    assert.deepEqual(parsed.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(parsed.ca, false);
    assert.equal(parsed.subjectAltName, undefined);
    assert(parsed.checkIssued(leaf(made.identity.caCertificate)));
    assert(parsed.checkPrivateKey(privateKey));
  });

  it('does not pass for a server’s, nor does one of another CA or another name', async () => {
    await using made = await makeIdentity();
    await using other = await makeIdentity();
    const ca = made.identity.caCertificate;
    const clock = { now: Date.now(), trusted: true };
    verifyServer(leaf(made.identity.server.cert), ca, clock);
    for (const cert of [made.device('server.flotilla').cert, other.identity.server.cert, ca]) {
      assert.throws(
        () => verifyServer(leaf(cert), ca, { ...clock, trusted: false }),
        (error) => error instanceof LinkError && error.code === 'UntrustedServer',
      );
    }
  });
});
