import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { writeFileAtomic } from '../../lib/write-file-atomic.ts';
import { certificatePin } from '../../protocol/join-token.ts';
import {
  belongsTogether,
  type CertificateAuthority,
  IdentityError,
  loadOrMakeKey,
  openCertificateAuthority,
  readIfThere,
} from './certificate-authority.ts';
import { type CertificateRequest, readCertificateRequest, readDeviceRequest } from './certificate-request.ts';
import { createTokenSigner, type TokenSigner } from './json-web-token.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { publicKeyHash } from './public-key-hash.ts';
import {
  adminsGroup,
  isNodeName,
  nodeCommonName,
  nodesGroup,
  parseSubject,
  type Subject,
} from './subject.ts';

/**
 * PEM. `cert` is the server's own followed by the CA's, so that a joining device can compare it with its token's
 * pin.
 */
export interface ServerCertificate {
  key: string;
  cert: string;
  ca: string;
}

export interface FrontProxy {
  ca: string;
  key: string;
  certificate: string;
  commonName: string;
}

export interface Identity extends Disposable {
  /** Signs service accounts' tokens; its key is `service-account.key`. */
  readonly tokenSigner: TokenSigner;
  /** PEM. */
  readonly caCertificate: string;
  /** Last part of every join token. */
  readonly caPin: string;
  /** For the API and the broker alike. */
  readonly server: ServerCertificate;
  /** As whom the API passes requests on to other servers; of an authority that signs nothing else. PEM. */
  readonly frontProxy: FrontProxy;
  /** Called when the server's certificate was renewed, with the new one. */
  onRenewed(handler: (server: ServerCertificate) => void): Disposable;
  /**
   * A device's certificate for a PKCS#10 request (both PEM). Throws CertificateRequestError. `node` must be a node
   * name.
   */
  signDevice(
    csr: string,
    node: string,
  ): { certificate: string /** SHA-256 of the key, hex. */; publicKeyHash: string };
  /** For requests that came through the API and were approved there. */
  readonly requestSigner: RequestSigner;
  /** The text of the admin's kubeconfig. `server` is a URL. */
  kubeconfig(options: { server: string; cluster: string }): string;
}

export interface RequestSigner {
  /** Reads a PEM request. Throws CertificateRequestError. */
  read: (pem: string) => CertificateRequest;
  /** A certificate (PEM) that says what the request asked for, with these usages in Kubernetes' words. */
  sign(request: CertificateRequest, approved: { usages: readonly string[]; lifetimeMs: number }): string;
  /** By which clients and devices know this server; nobody else may be called so. */
  reservedNames: readonly string[];
}

export interface IdentityOptions {
  /** Keys and certificates; made when missing, readable by nobody else. */
  directory: string;
  /** Name of the cluster; the server's certificate tells it to devices that join. */
  cluster: string;
  /** Further names and addresses under which clients reach this server. */
  names: readonly string[];
  clock: Clock;
  random: Random;
  log: Logger;
}

/** Names that every server certificate carries. Devices check the last one only, whatever address they dial. */
const ownNames = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'server.flotilla'];
const fixedNames = ['localhost', '127.0.0.1', '::1', ...ownNames];
/** As Kubernetes' own default; who wants to verify tokens from outside fetches the keys from this server. */
const tokenIssuer = 'https://kubernetes.default.svc.cluster.local';
const dayMs = 24 * 60 * 60 * 1000;
const serverLifetimeMs = 365 * dayMs;
const adminLifetimeMs = 5 * 365 * dayMs;
const frontProxyName = 'front-proxy-client';
/** Devices may be away for years; what makes an old certificate worthless is its node's other key, not its date. */
const deviceLifetimeMs = 10 * 365 * dayMs;
const renewBeforeMs = 90 * dayMs;
const checkEveryMs = dayMs;

/**
 * The server's keys and certificates. Throws IdentityError when the files contradict each other, or as the file
 * system does.
 */
export async function openIdentity(options: IdentityOptions): Promise<Identity> {
  const { directory, clock, random, log } = options;
  const authority = await openCertificateAuthority({ directory, now: () => clock.now(), random });
  const names = serverNames(options.names);
  const issuer = { authority, directory, clock };
  const admin = await keepCertificate(issuer, 'admin', {
    subject: { commonName: 'kubernetes-admin', organizations: [adminsGroup] },
    use: 'client',
    lifetimeMs: adminLifetimeMs,
  });
  const keepServer = () =>
    keepCertificate(issuer, 'server', {
      subject: { commonName: 'flotilla-server', organizations: [options.cluster] },
      use: 'server',
      names,
      lifetimeMs: serverLifetimeMs,
    });
  const bundle = ({ key, certificate }: { key: string; certificate: string }): ServerCertificate => ({
    key,
    cert: certificate + authority.certificate,
    ca: authority.certificate,
  });
  let server = bundle(await keepServer());
  const handlers = new Set<(server: ServerCertificate) => void>();
  let timer: Timer;
  const renew = async () => {
    const next = bundle(await keepServer());
    if (next.cert === server.cert) return;
    server = next;
    log.info('the server certificate was renewed');
    for (const handle of handlers) handle(next);
  };
  let isDisposed = false;
  const schedule = () => {
    // The next one only after this one: two at a time would write the same file.
    const check = () =>
      void renew()
        .catch((error: unknown) => log.error('cannot renew the server certificate', { error }))
        .then(() => {
          if (!isDisposed) schedule();
        });
    timer = clock.after(checkEveryMs, check, { unref: true });
  };
  schedule();
  return {
    ...(await openOtherKeys(options)),
    caCertificate: authority.certificate,
    caPin: certificatePin(authority.certificate),
    get server() {
      return server;
    },
    onRenewed(handler) {
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
    signDevice: (csr, node) => signDevice(authority, csr, node),
    requestSigner: createRequestSigner(authority),
    kubeconfig: (place) => adminKubeconfig(place, { ca: authority.certificate, admin }),
    [Symbol.dispose]: () => {
      isDisposed = true;
      timer.cancel();
    },
  };
}

/**
 * Who shows this certificate to an extension API server may say who a user is, and so no other certificate may come
 * from the authority that such a server trusts for it.
 */
async function openFrontProxy({ directory, clock, random }: IdentityOptions): Promise<FrontProxy> {
  const own = join(directory, 'front-proxy');
  const authority = await openCertificateAuthority({
    directory: own,
    commonName: 'flotilla-front-proxy-ca',
    now: () => clock.now(),
    random,
  });
  const client = await keepCertificate({ authority, directory: own, clock }, 'client', {
    subject: { commonName: frontProxyName, organizations: [] },
    use: 'client',
    lifetimeMs: adminLifetimeMs,
  });
  return { ...client, ca: authority.certificate, commonName: frontProxyName };
}

async function openOtherKeys(
  options: IdentityOptions,
): Promise<Pick<Identity, 'tokenSigner' | 'frontProxy'>> {
  return {
    tokenSigner: await openTokenSigner(options.directory),
    frontProxy: await openFrontProxy(options),
  };
}

async function openTokenSigner(directory: string): Promise<TokenSigner> {
  const key = await loadOrMakeKey(directory, 'service-account', undefined);
  try {
    return createTokenSigner({ key, issuer: tokenIssuer });
  } catch (cause) {
    throw new IdentityError(`${join(directory, 'service-account.key')} cannot sign tokens`, { cause });
  }
}

function serverNames(given: readonly string[]): string[] {
  const names = given.map((name) => name.toLowerCase());
  const bad = names.find((name) => isIP(name) === 0 && !isNodeName(name));
  if (bad !== undefined)
    throw new IdentityError(
      `${bad} is neither a DNS name nor an address: name servers without scheme or port`,
    );
  return [...new Set([...fixedNames, ...names])];
}

function adminKubeconfig(
  { server, cluster }: { server: string; cluster: string },
  { ca, admin }: { ca: string; admin: { key: string; certificate: string } },
): string {
  const { key, certificate: cert } = admin;
  return kubeconfigText({ server, cluster, user: `${cluster}-admin`, ca, cert, key });
}

function createRequestSigner(authority: CertificateAuthority): RequestSigner {
  return {
    read: readCertificateRequest,
    sign: (request, { usages, lifetimeMs }) =>
      authority.issue({
        subject: request.subject,
        publicKey: request.publicKey,
        use: usages,
        names: [...request.dnsNames, ...request.addresses],
        emails: request.emails,
        uris: request.uris,
        lifetimeMs,
      }),
    reservedNames: ownNames,
  };
}

function signDevice(authority: CertificateAuthority, csr: string, node: string) {
  const publicKey = readDeviceRequest(csr);
  const certificate = authority.issue({
    subject: { commonName: nodeCommonName(node), organizations: [nodesGroup] },
    publicKey,
    use: 'client',
    lifetimeMs: deviceLifetimeMs,
  });
  return { certificate, publicKeyHash: publicKeyHash(publicKey) };
}

interface WantedCertificate {
  subject: Subject;
  use: 'server' | 'client';
  names?: readonly string[];
  lifetimeMs: number;
}

/** The certificate `name` in the directory as long as it says what is wanted and lasts, a new one otherwise. PEM. */
async function keepCertificate(
  { authority, directory, clock }: { authority: CertificateAuthority; directory: string; clock: Clock },
  name: string,
  wanted: WantedCertificate,
): Promise<{ key: string; certificate: string }> {
  const path = join(directory, `${name}.crt`);
  const existing = await readIfThere(path);
  const key = await loadOrMakeKey(directory, name, existing);
  const pem = key.export({ type: 'pkcs8', format: 'pem' });
  if (existing !== undefined && isAsWanted(existing, { key, wanted, authority, now: clock.now() })) {
    return { key: pem, certificate: existing };
  }
  const certificate = authority.issue({ ...wanted, publicKey: createPublicKey(key) });
  await writeFileAtomic(path, certificate, 0o600);
  return { key: pem, certificate };
}

function isAsWanted(
  pem: string,
  options: { key: KeyObject; wanted: WantedCertificate; authority: CertificateAuthority; now: number },
): boolean {
  const { key, wanted, authority, now } = options;
  if (!belongsTogether(pem, key)) return false;
  const certificate = new X509Certificate(pem);
  const isOurs = certificate.verify(new X509Certificate(authority.certificate).publicKey);
  const lasts = certificate.validToDate.getTime() - now > renewBeforeMs;
  return isOurs && lasts && sameSubject(certificate, wanted) && sameNames(certificate, wanted);
}

function sameSubject(certificate: X509Certificate, { subject }: WantedCertificate): boolean {
  const { commonName, organizations } = parseSubject(certificate.subject);
  return commonName === subject.commonName && organizations.join('\n') === subject.organizations.join('\n');
}

function sameNames(certificate: X509Certificate, { names = [] }: WantedCertificate): boolean {
  const covers = (name: string) =>
    isIP(name) === 0
      ? certificate.checkHost(name, { subject: 'never', wildcards: false }) !== undefined
      : certificate.checkIP(name) !== undefined;
  const count = certificate.subjectAltName?.split(', ').length ?? 0;
  return count === names.length && names.every(covers);
}
