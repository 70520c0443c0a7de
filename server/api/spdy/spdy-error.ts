export type SpdyErrorCode = 'Malformed' | 'TooLarge' | 'TooMany' | 'Reset' | 'Closed';

/** What is wrong with a SPDY connection or stream. Only `Reset` is about one stream; the others end the connection. */
export class SpdyError extends Error {
  readonly code: SpdyErrorCode;

  constructor(code: SpdyErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'SpdyError';
    this.code = code;
  }
}
