import { X509Certificate } from 'node:crypto';

/** Extended key usage clientAuth (RFC 5280, 4.2.1.12), which a device's certificate has. */
const clientAuth = '1.3.6.1.5.5.7.3.2';
const nodesGroup = 'system:nodes';
const namePrefix = 'system:node:';

/**
 * The name of the device that shows this certificate; undefined for one that is not of this cluster (`ca` is PEM), or not a device's. Checked
 * by hand, as the server's is: the dates count only where the clock is trusted, and a device's certificate is not for
 * serving as TLS libraries see it.
 */
export function deviceOf(
  certificate: X509Certificate | undefined,
  ca: string,
  clock: { now: number; trusted: boolean },
): string | undefined {
  const authority = new X509Certificate(ca);
  if (!certificate?.checkIssued(authority) || !certificate.verify(authority.publicKey)) return undefined;
  const isCurrent =
    certificate.validFromDate.getTime() <= clock.now && clock.now <= certificate.validToDate.getTime();
  if (clock.trusted && !isCurrent) return undefined;
  if (certificate.ca || !certificate.keyUsage?.includes(clientAuth)) return undefined;
  const { CN, O } = certificate.toLegacyObject().subject as { CN?: unknown; O?: unknown };
  if (O !== nodesGroup || typeof CN !== 'string' || !CN.startsWith(namePrefix)) return undefined;
  return CN.slice(namePrefix.length);
}
