import { X509Certificate } from 'node:crypto';
import { LinkError } from './link-error.ts';

/**
 * Every server certificate carries this name beside its real ones, and devices check no other: a server that moves
 * to another address stays the same server.
 */
export const serverName = 'server.flotilla';
/** Extended key usage serverAuth (RFC 5280, 4.2.1.12): a device's certificate must not pass for a server's. */
const serverAuth = '1.3.6.1.5.5.7.3.1';

/**
 * Checks by hand what a TLS library checks all at once, because a device with a dead clock must ignore the dates
 * and nothing else: OpenSSL reports only one of several failures, and a wrong date would hide a wrong signature.
 * `ca` is PEM. Throws LinkError UntrustedServer or ServerCertificateExpired.
 */
export function verifyServer(
  certificate: X509Certificate,
  ca: string,
  clock: { now: number; trusted: boolean },
): void {
  const authority = new X509Certificate(ca);
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
    throw new LinkError('UntrustedServer', "the server's certificate is not signed by this cluster's CA");
  }
  const isServer = certificate.keyUsage?.includes(serverAuth) ?? false;
  if (!isServer || certificate.checkHost(serverName, { subject: 'never' }) === undefined) {
    throw new LinkError('UntrustedServer', "the certificate shown is not a server's");
  }
  const isCurrent =
    certificate.validFromDate.getTime() <= clock.now && clock.now <= certificate.validToDate.getTime();
  if (clock.trusted && !isCurrent) {
    throw new LinkError(
      'ServerCertificateExpired',
      `the server's certificate is valid from ${certificate.validFrom} to ${certificate.validTo}`,
    );
  }
}
