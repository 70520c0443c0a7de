/** Why bytes could not become a message (or a message bytes). Callers branch on `code`. */
export type CodecErrorCode =
  /** The first byte names no format we speak. */
  | 'UnknownFormat'
  /** Truncated, trailing bytes, extension types, or a chunk that contradicts itself. */
  | 'Malformed'
  | 'TooLarge'
  | 'TooDeep'
  /** Decoded, but not what the topic's schema says. */
  | 'SchemaMismatch';

/** The only error that coding and decoding throw. Its text never quotes the payload, which may be secret. */
export class CodecError extends Error {
  readonly code: CodecErrorCode;

  constructor(code: CodecErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CodecError';
    this.code = code;
  }
}
