import { type StatusCause, StatusError } from '../../../protocol/status.ts';
import type { Exchange } from '../exchange.ts';

/** An expected failure as it is; anything else is logged and becomes a 500 that tells nothing of our insides. */
export function asStatusError(error: unknown, { services }: Pick<Exchange, 'services'>): StatusError {
  if (error instanceof StatusError) return error;
  services.log.error('request failed', { error });
  return new StatusError('InternalError', 'Internal error occurred: see the log of the server');
}

/** A refused query option or option body, as Kubernetes words it. */
export function invalidOption(kind: string, cause: StatusCause): StatusError {
  return new StatusError('Invalid', `${kind}.meta.k8s.io "" is invalid: ${cause.field}: ${cause.message}`, {
    details: { group: 'meta.k8s.io', kind, causes: [cause] },
  });
}
