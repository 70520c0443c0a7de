/** Why a connection failed, in the words that Kubernetes' users know and their scripts look for. */
export function failureWords(
  error: NodeJS.ErrnoException,
  { host, port, serverName }: { host: string; port: number; serverName: string },
): string {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const code = error.code ?? '';
  const dialled = dialFaults[code];
  if (dialled !== undefined) return `dial tcp ${address}: ${dialled}`;
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${host}: no such host`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return notFor(error, serverName);
  const certificate = certificateFaults[code];
  if (certificate !== undefined) return `tls: failed to verify certificate: x509: ${certificate}`;
  if (code === 'ECONNRESET') return 'EOF';
  return error.message || code;
}

const dialFaults: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout',
};

const unknownAuthority = 'certificate signed by unknown authority';
const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'certificate has expired or is not yet valid',
  CERT_NOT_YET_VALID: 'certificate has expired or is not yet valid',
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownAuthority,
  SELF_SIGNED_CERT_IN_CHAIN: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT: unknownAuthority,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownAuthority,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownAuthority,
};

function notFor(error: Error, serverName: string): string {
  const names = 'cert' in error && isCertificate(error.cert) ? error.cert.subjectaltname : '';
  const valid = names.replaceAll(/(?:DNS|IP Address):/g, '') || 'no name';
  return `tls: failed to verify certificate: x509: certificate is valid for ${valid}, not ${serverName}`;
}

function isCertificate(value: unknown): value is { subjectaltname: string } {
  return (
    typeof value === 'object' &&
    value !== null &&
    'subjectaltname' in value &&
    typeof value.subjectaltname === 'string'
  );
}
