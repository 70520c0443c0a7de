import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';

const exempt = new Set([
  'mutatingadmissionpolicies',
  'mutatingadmissionpolicybindings',
  'mutatingwebhookconfigurations',
  'validatingadmissionpolicies',
  'validatingadmissionpolicybindings',
  'validatingwebhookconfigurations',
]);

/** What decides over writes is not decided over by the same means: a mistake could not be taken back. */
export function isExempt({ group, plural }: KindDefinition): boolean {
  return group === 'admissionregistration.k8s.io' && exempt.has(plural);
}
