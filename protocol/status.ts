/**
 * Kubernetes API failures: one table of reasons and their HTTP codes
 * (source: k8s.io/apimachinery/pkg/apis/meta/v1, StatusReason), and the error that carries them through the server.
 */
export const statusReasons = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  /** Nobody who branches on it knows this one; the wire may say more. */
  Unknown: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
} as const;

export type StatusReason = keyof typeof statusReasons;

/** Why a field was refused (metav1.CauseType). */
export type CauseType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid'
  /** Clients relist without a resourceVersion when they see it. */
  | 'ResourceVersionTooLarge'
  /** Controllers stop creating in a namespace when they see it. */
  | 'NamespaceTerminating'
  /** Another owns a field that an apply would change. */
  | 'FieldManagerConflict'
  /** `kubectl drain` tries again when it sees it. */
  | 'DisruptionBudget';

export interface StatusCause {
  reason: CauseType;
  /** As Kubernetes words it, e.g. `Invalid value: "x": must be …`. */
  message: string;
  /** Path such as `spec.containers[0].image`. */
  field: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

/** The wire form of a failure, a metav1.Status. */
export interface Status {
  kind: 'Status';
  apiVersion: 'v1';
  metadata: Record<string, never>;
  status: 'Failure' | 'Success';
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

export interface StatusErrorOptions {
  details?: StatusDetails;
  cause?: unknown;
  /** What clients are told, where somebody else chose it. */
  told?: { code: number; reason?: string };
}

/** An expected failure of an API operation. Callers branch on `reason`. */
export class StatusError extends Error {
  readonly reason: StatusReason;
  readonly details: StatusDetails;
  readonly #told: StatusErrorOptions['told'];

  constructor(reason: StatusReason, message: string, options: StatusErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StatusError';
    this.reason = reason;
    this.details = options.details ?? {};
    this.#told = options.told;
  }

  get code(): number {
    return this.#told?.code ?? statusReasons[this.reason];
  }

  toStatus(): Status {
    const { message, details, code } = this;
    const reason = this.reason === 'Unknown' ? this.#told?.reason : this.reason;
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason === undefined ? {} : { reason }),
      details,
      code,
    };
  }
}

export function isStatus(error: unknown, reason: StatusReason): error is StatusError {
  return error instanceof StatusError && error.reason === reason;
}
