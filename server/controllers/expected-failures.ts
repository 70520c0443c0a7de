import { isStatus, StatusError } from '../../protocol/status.ts';

/** For `.catch`: the object went away or became another one meanwhile, and its changes say the rest. */
export function ignoreGone(error: unknown): undefined {
  if (isStatus(error, 'NotFound') || isStatus(error, 'Conflict')) return undefined;
  throw error;
}

/** Whether nothing can be made in a namespace because it is going or gone; then nothing needs to be. */
export function isNamespaceEnding(error: unknown): boolean {
  if (!(error instanceof StatusError)) return false;
  const { reason, details } = error;
  if (reason === 'NotFound') return details.kind === 'namespaces';
  return details.causes?.some((cause) => cause.reason === 'NamespaceTerminating') ?? false;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
