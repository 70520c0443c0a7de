import type { ClusterRole, PolicyRule, RoleBinding } from '../../../../protocol/generated/models.ts';
import { sameValue } from '../../../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { rbacGroup } from '../../../../protocol/kinds/rbac/policy-rules.ts';
import type { AdmissionPlugin } from '../../../admission/define-admission.ts';
import { forbidden, notFound } from '../../../registry/failures.ts';
import type { AccessRequest } from '../access-request.ts';
import type { Decision } from '../authorizer.ts';
import { mastersGroup, type User } from '../user.ts';
import { describeMissing, goList, missingRules } from './cover-rules.ts';
import type { GrantedRules } from './granted-rules.ts';
import { heldRules } from './rbac-authorizer.ts';

/**
 * Nobody gives what they do not have: writing a role needs every right in it, or the verb `escalate` on it; writing
 * a binding needs every right of its role, or the verb `bind` on that (source: k8s.io/kubernetes/pkg/registry/rbac,
 * policybased).
 */
export function escalationCheck(options: Options): AdmissionPlugin {
  return {
    handles: ({ kind, operation, user }) =>
      kind.group === rbacGroup &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      !user.groups.includes(mastersGroup),
    validate({ kind, user, object: next, oldObject: old }) {
      if (!next || (old && changesOwnershipOnly(next, old))) return;
      const change = { kind, next, old };
      if (kind.plural.endsWith('bindings')) checkBinding(user, change, options);
      else checkRole(user, change, options);
    },
  };
}

interface Options {
  granted: GrantedRules;
  may: (user: User, request: AccessRequest) => Decision;
}

interface Change {
  kind: KindDefinition;
  next: Readonly<KubernetesObject>;
  old: Readonly<KubernetesObject> | undefined;
}

function checkRole(user: User, { kind, next, old }: Change, { granted, may }: Options): void {
  const { name = '', namespace } = next.metadata ?? {};
  const asked = { type: 'resource' as const, group: rbacGroup, subresource: undefined, namespace, name };
  if (may(user, { ...asked, verb: 'escalate', resource: kind.plural }).allowed) return;
  const { rules = [], aggregationRule } = next as ClusterRole;
  const refuse = (why: string) => forbidden(kind, name, why);
  const held = heldRules(granted)(user, namespace);
  requireHeld(user, { held, wanted: rules ?? [], refuse });
  if (!aggregationRule && !(old as ClusterRole | undefined)?.aggregationRule) return;
  requireHeld(user, {
    held,
    wanted: everything,
    refuse: () => refuse('must have cluster-admin privileges to use an aggregationRule'),
  });
}

const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

function checkBinding(user: User, { kind, next }: Change, { granted, may }: Options): void {
  const { roleRef, metadata } = next as RoleBinding;
  const { name = '', namespace } = metadata ?? {};
  // Validation refuses a binding without a role.
  if (!roleRef) return;
  const role = roleRef.kind === 'Role' ? roleKindParts : clusterRoleKindParts;
  const asked = { type: 'resource' as const, verb: 'bind', subresource: undefined, namespace };
  if (may(user, { ...asked, group: rbacGroup, resource: role.plural, name: roleRef.name }).allowed) return;
  const wanted = granted.rulesOf(roleRef, namespace);
  if (!wanted) throw notFound(role, roleRef.name);
  const held = heldRules(granted)(user, namespace);
  requireHeld(user, { held, wanted, refuse: (why) => forbidden(kind, name, why) });
}

const roleKindParts = { group: rbacGroup, kind: 'Role', plural: 'roles' };
const clusterRoleKindParts = { group: rbacGroup, kind: 'ClusterRole', plural: 'clusterroles' };

function requireHeld(
  user: User,
  options: {
    held: readonly Readonly<PolicyRule>[];
    wanted: readonly Readonly<PolicyRule>[];
    refuse: (why: string) => Error;
  },
): void {
  const missing = missingRules(options.held, options.wanted);
  if (missing?.length === 0) return;
  const list = missing
    ? describeMissing(missing)
    : 'too many combinations of groups, resources and verbs to compare';
  throw options.refuse(
    `user ${JSON.stringify(user.name)} (groups=${goList(user.groups)}) ` +
      `is attempting to grant RBAC permissions not currently held:\n${list}`,
  );
}

/** The garbage collector's changes need no rights: nothing is given by them. */
function changesOwnershipOnly(next: Readonly<KubernetesObject>, old: Readonly<KubernetesObject>): boolean {
  return sameValue(withoutOwnership(next), withoutOwnership(old));
}

/** What the server sets by itself does not count, and may be left out by the client. */
function withoutOwnership({ metadata, ...object }: Readonly<KubernetesObject>): object {
  const { labels, annotations, name, namespace } = metadata ?? {};
  const { apiVersion: _apiVersion, kind: _kind, ...content } = object;
  return { ...content, metadata: { labels, annotations, name, namespace } };
}
