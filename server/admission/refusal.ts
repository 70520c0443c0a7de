import type { StatusError } from '../../protocol/status.ts';
import { type AdmissionRequest } from '../registry/admission.ts';
import { forbidden } from '../registry/failures.ts';

/** A Forbidden about the object of the request, which may have no name yet. */
export function refusal({ kind, name, object }: AdmissionRequest, why: string): StatusError {
  return forbidden(kind, name || object?.metadata?.name || object?.metadata?.generateName || 'Unknown', why);
}
