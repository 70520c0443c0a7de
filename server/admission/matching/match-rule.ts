import type { NamedRuleWithOperations } from '../../../protocol/generated/models.ts';
import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import type { Operation } from '../../registry/admission.ts';

/** What rules look at. */
export interface RuleSubject {
  kind: KindDefinition;
  operation: Operation;
  subresource: string;
  /** Not looked at where it is absent. */
  name?: string;
}

/** Whether a rule of a webhook or policy speaks of this (source: k8s.io/apiserver, webhook/predicates/rules). */
export function matchesRule(rule: NamedRuleWithOperations, subject: RuleSubject): boolean {
  const { kind, operation, subresource, name } = subject;
  const { operations, apiGroups, apiVersions, resources = [], scope = '*', resourceNames = [] } = rule;
  return (
    includes(operations, operation) &&
    includes(apiGroups, kind.group) &&
    includes(apiVersions, kind.version) &&
    (scope === '*' || (scope === 'Namespaced') === kind.namespaced) &&
    resources.some((resource) => matchesResource(resource, kind.plural, subresource)) &&
    (resourceNames.length === 0 || name === undefined || resourceNames.includes(name))
  );
}

function includes(values: readonly string[] | undefined, value: string): boolean {
  return values?.some((one) => one === '*' || one === value) ?? false;
}

/** The parts before and after the slash, each a name or a star; without a slash the object itself. */
function matchesResource(wanted: string, plural: string, subresource: string): boolean {
  const [resource, part = ''] = wanted.split('/', 2);
  return (resource === '*' || resource === plural) && (part === '*' || part === subresource);
}
