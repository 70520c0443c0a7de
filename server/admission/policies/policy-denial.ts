import { type StatusCause, StatusError } from '../../../protocol/status.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { refusal } from '../refusal.ts';

const codes: Readonly<Record<string, number>> = {
  Forbidden: 403,
  Invalid: 422,
  RequestEntityTooLarge: 413,
  Unauthorized: 401,
};

/** Source: k8s.io/apiserver, plugin/policy/validating, dispatcher. */
export function policyDenial(
  request: AdmissionRequest,
  denial: { policy: string; binding: string; message: string; reason?: string | undefined },
): StatusError {
  const { policy, binding, message, reason = 'Invalid' } = denial;
  const words = `ValidatingAdmissionPolicy '${policy}' with binding '${binding}' denied request: ${message}`;
  const { message: told, details } = refusal(request, words);
  return new StatusError('Unknown', told, {
    told: { code: codes[reason] ?? 422, reason },
    // A cause that is about no field, and for which Kubernetes has no reason.
    details: { ...details, causes: [{ message: words } as StatusCause] },
  });
}
