import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import { limits } from '../../protocol/limits.ts';
import { type StatusCause, StatusError } from '../../protocol/status.ts';
import { StoreError } from '../store/errors.ts';

/**
 * The registry's refusals, worded as Kubernetes words them (source: k8s.io/apimachinery/pkg/api/errors), because
 * people and scripts read these texts.
 */
type Named = Pick<KindDefinition, 'group' | 'kind' | 'plural'>;

/** `pods` or `deployments.apps`. */
export function resourceOf(kind: Pick<Named, 'group' | 'plural'>): string {
  return kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
}

export function notFound(kind: Named, name: string): StatusError {
  return new StatusError('NotFound', `${resourceOf(kind)} "${name}" not found`, {
    details: detailsOf(kind, name),
  });
}

export function alreadyExists(kind: Named, name: string): StatusError {
  return new StatusError('AlreadyExists', `${resourceOf(kind)} "${name}" already exists`, {
    details: detailsOf(kind, name),
  });
}

export function conflict(kind: Named, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${resourceOf(kind)} "${name}": ${why}`;
  return new StatusError('Conflict', message, { details: detailsOf(kind, name) });
}

export const modifiedMeanwhile =
  'the object has been modified; please apply your changes to the latest version and try again';

export function forbidden(kind: Named, name: string, why: string, causes?: StatusCause[]): StatusError {
  return new StatusError('Forbidden', `${resourceOf(kind)} "${name}" is forbidden: ${why}`, {
    details: { ...detailsOf(kind, name), ...(causes ? { causes } : {}) },
  });
}

export function invalid(kind: Named, name: string, causes: StatusCause[]): StatusError {
  const subject = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  const lines = [...new Set(causes.map(({ field, message }) => `${field}: ${message}`))];
  const list = lines.length === 1 ? lines[0] : `[${lines.join(', ')}]`;
  return new StatusError('Invalid', `${subject} "${name}" is invalid: ${list}`, {
    details: { ...detailsOf(kind, name), kind: kind.kind, causes },
  });
}

export function badRequest(message: string): StatusError {
  return new StatusError('BadRequest', message);
}

export function expired(message: string, cause?: unknown): StatusError {
  return new StatusError('Expired', message, { cause });
}

export function tooLargeVersion(asked: string | number, current: number, cause?: unknown): StatusError {
  return new StatusError('Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }],
      retryAfterSeconds: 1,
    },
    cause,
  });
}

export function tooLargeObject(cause?: unknown): StatusError {
  return new StatusError(
    'RequestEntityTooLarge',
    `Request entity too large: limit is ${limits.objectBytesMax}`,
    { cause },
  );
}

/**
 * What a store's failure means to whoever asked the registry. Failures with a meaning of their own at one place
 * (a taken key, a lost compare-and-swap) are handled there and do not arrive here.
 */
export function asStatusError(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  switch (error.code) {
    case 'Compacted':
    case 'WatchOverflow':
      return expired(`too old resource version: ${error.message}`, error);
    case 'FutureRevision':
      return new StatusError('Timeout', `Too large resource version: ${error.message}`, {
        details: {
          causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version', field: '' }],
        },
        cause: error,
      });
    case 'ValueTooLarge':
      return tooLargeObject(error);
    case 'StorageFailed':
      return new StatusError(
        'ServiceUnavailable',
        `the server's disk is full or failing, nothing was changed: ${error.message}`,
        { cause: error },
      );
    case 'Locked':
    case 'Closed':
      return new StatusError('ServiceUnavailable', `the server's store is closed: ${error.message}`, {
        cause: error,
      });
    case 'KeyExists':
    case 'KeyNotFound':
    case 'RevisionMismatch':
      return new StatusError('InternalError', `Internal error occurred: ${error.message}`, { cause: error });
    default:
      return error.code satisfies never;
  }
}

export function isStoreError(error: unknown, ...codes: StoreError['code'][]): error is StoreError {
  return error instanceof StoreError && codes.includes(error.code);
}

function detailsOf(kind: Named, name: string) {
  return { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.plural };
}
