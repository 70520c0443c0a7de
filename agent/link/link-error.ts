/** Why a connection to the server, or joining, failed. Callers branch on `code`. */
export type LinkErrorCode =
  /** Name not found, connection refused, no route. */
  | 'Unreachable'
  | 'Timeout'
  /** The server's certificate is not signed by our CA, or not for a server of the cluster. */
  | 'UntrustedServer'
  /** The server's certificate is signed by our CA but out of date (only while the device's clock is trusted). */
  | 'ServerCertificateExpired'
  /** The server does not take this identity. */
  | 'Refused'
  | 'Closed'
  /** The token's text is not one. */
  | 'MalformedToken'
  /** The server's CA is not the one that the token names. */
  | 'PinMismatch'
  | 'TokenUnknown'
  | 'TokenExpired'
  | 'TokenUsed'
  /** The token may not be used for this node name. */
  | 'NameNotAllowed'
  | 'NameTaken'
  | 'TooManyAttempts'
  | 'BadRequest'
  | 'ServerFailed'
  /** The device's own key or certificate files cannot be used. */
  | 'BadIdentity';

export class LinkError extends Error {
  readonly code: LinkErrorCode;

  constructor(code: LinkErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LinkError';
    this.code = code;
  }
}
