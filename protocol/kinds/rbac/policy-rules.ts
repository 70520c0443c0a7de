import type { PolicyRule } from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { invalid, required } from '../cause.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';

/** What is wrong with the rules of a role (source: k8s.io/kubernetes/pkg/apis/rbac/validation, ValidatePolicyRule). */
export function validateRules(
  rules: readonly PolicyRule[] | undefined,
  { namespaced }: { namespaced: boolean },
): StatusCause[] {
  return (rules ?? []).flatMap((rule, index) => validateRule(rule, `rules[${index}]`, namespaced));
}

function validateRule(rule: PolicyRule, field: string, namespaced: boolean): StatusCause[] {
  const { verbs, apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = rule;
  const causes: StatusCause[] = [];
  if ((verbs ?? []).length === 0)
    causes.push(required(`${field}.verbs`, 'verbs must contain at least one value'));
  if (nonResourceURLs.length > 0) {
    const refuse = (why: string) => causes.push(invalid(`${field}.nonResourceURLs`, nonResourceURLs, why));
    if (namespaced) refuse('namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length + resources.length + resourceNames.length > 0)
      refuse('rules cannot apply to both regular resources and non-resource URLs');
    return causes;
  }
  if (apiGroups.length === 0)
    causes.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'));
  if (resources.length === 0)
    causes.push(required(`${field}.resources`, 'resource rules must supply at least one resource'));
  return causes;
}
