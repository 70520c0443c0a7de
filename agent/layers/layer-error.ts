/**
 * `NotFound`: that source has no such thing. `Refused`: it wants another log-in. `Unreachable`: it does not answer, or not to the
 * end. `WrongContent`: what it gave is not what was asked for. `NoRoom`: the limit of the store or the disk.
 */
export type LayerErrorCode = 'NotFound' | 'Refused' | 'Unreachable' | 'WrongContent' | 'NoRoom';

export class LayerError extends Error {
  readonly code: LayerErrorCode;

  constructor(code: LayerErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LayerError';
    this.code = code;
  }
}
