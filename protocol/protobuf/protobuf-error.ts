/** Why bytes are not the message that they should be. Callers branch on `code`. */
export type ProtobufErrorCode =
  /** Ends within a value. */
  | 'Truncated'
  /** Impossible tags, lengths, wire types, text or values. */
  | 'Malformed'
  /** Without Kubernetes' magic bytes or with an encoding that we do not speak. */
  | 'UnknownFormat'
  | 'TooDeep'
  /** Fits no property of an object, such as the map key `__proto__`. */
  | 'Forbidden';

/** The only error of this room. Its text never quotes values, which may be secret. */
export class ProtobufError extends Error {
  readonly code: ProtobufErrorCode;

  constructor(code: ProtobufErrorCode, message: string, options?: { cause?: unknown }) {
    super(`proto: ${message}`, options);
    this.name = 'ProtobufError';
    this.code = code;
  }
}
