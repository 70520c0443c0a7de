import type { PolicyRule } from '../../../../protocol/generated/models.ts';
import type { AccessRequest } from '../access-request.ts';
import type { Decision } from '../authorizer.ts';
import { mastersGroup, type User } from '../user.ts';
import { type Grant, type GrantedRules, subjectKey } from './granted-rules.ts';
import { ruleAllows } from './match-rule.ts';

/**
 * Allows what a role that the user was given allows; the reason names the binding (source: Kubernetes' RBAC
 * authoriser).
 */
export function rbacAuthorizer(granted: GrantedRules): (user: User, request: AccessRequest) => Decision {
  return (user, request) => {
    const namespace = request.type === 'resource' ? request.namespace : undefined;
    const missing = new Set<string>();
    for (const grant of granted.grants(user, namespace)) {
      if (!grant.rules) missing.add(missingRole(grant));
      else if (grant.rules.some((rule) => ruleAllows(rule, request)))
        return { allowed: true, reason: `RBAC: allowed by ${describe(grant)}` };
    }
    const faults = [...missing];
    if (faults.length === 0) return { allowed: false };
    return {
      allowed: false,
      reason: `RBAC: ${faults.length === 1 ? faults[0] : `[${faults.join(', ')}]`}`,
    };
  };
}

/** All rules that hold for the user in `namespace`; undefined for the cluster scope. */
export type HeldRules = (user: User, namespace: string | undefined) => readonly Readonly<PolicyRule>[];

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

export function heldRules(granted: GrantedRules): HeldRules {
  return (user, namespace) => {
    if (user.groups.includes(mastersGroup)) return everything;
    return [...granted.grants(user, namespace)].flatMap(({ rules }) => rules ?? []);
  };
}

function missingRole({ binding }: Grant): string {
  const { kind, name } = binding.roleRef;
  return `${kind.toLowerCase()}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`;
}

function describe({ binding, subjectKey: key }: Grant): string {
  const { name = '', namespace } = binding.metadata ?? {};
  const { kind, name: role } = binding.roleRef;
  const subject = binding.subjects?.find((candidate) => subjectKey(candidate, namespace) === key);
  const place = namespace === undefined ? name : `${name}/${namespace}`;
  const who =
    subject?.kind === 'ServiceAccount'
      ? `${subject.name}/${subject.namespace || namespace}`
      : (subject?.name ?? '');
  const bindingKind = namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding';
  return (
    `${bindingKind} ${JSON.stringify(place)} of ${kind} ${JSON.stringify(role)} ` +
    `to ${subject?.kind ?? ''} ${JSON.stringify(who)}`
  );
}
