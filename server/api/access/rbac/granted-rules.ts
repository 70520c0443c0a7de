import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '../../../../protocol/generated/models.ts';
import { clusterRoleKind } from '../../../../protocol/kinds/cluster-role.ts';
import { clusterRoleBindingKind } from '../../../../protocol/kinds/cluster-role-binding.ts';
import { roleKind } from '../../../../protocol/kinds/role.ts';
import { roleBindingKind } from '../../../../protocol/kinds/role-binding.ts';
import type { Cache } from '../../../cache/informer.ts';
import { serviceAccountUserName, type User } from '../user.ts';

/**
 * Which roles somebody has been given, over live copies that are indexed by subject: an answer costs the bindings
 * that name the user or a group of theirs, never the number of bindings there are.
 */
export interface GrantedRules {
  /**
   * Everything given in `namespace`, or with undefined at the cluster scope only; what is given at the cluster
   * scope comes first.
   */
  grants(user: User, namespace: string | undefined): Iterable<Grant>;
  /** Undefined when there is no such role. */
  rulesOf(ref: RoleRef, namespace: string | undefined): readonly Readonly<PolicyRule>[] | undefined;
}

export interface Grant {
  binding: Readonly<RoleBinding> | Readonly<ClusterRoleBinding>;
  /** Undefined: the role that the binding names does not exist. */
  rules: readonly Readonly<PolicyRule>[] | undefined;
  /** The user's name or group that the binding names. */
  subjectKey: string;
}

/** The part of an informer that is used here. */
interface Lookup<T> {
  get(namespace: string | undefined, name: string): Readonly<T> | undefined;
}

interface SubjectLookup<T> {
  byIndex(index: string, value: string): readonly Readonly<T>[];
}

export interface GrantSources {
  roles: Lookup<Role>;
  clusterRoles: Lookup<ClusterRole>;
  roleBindings: SubjectLookup<RoleBinding>;
  clusterRoleBindings: SubjectLookup<ClusterRoleBinding>;
}

export const subjectIndex = 'rbac-subject';

/** Follows roles and bindings in the cache; answers truly once the cache has synced. */
export function watchGrants(cache: Cache): GrantedRules {
  const roleBindings = cache.informer(roleBindingKind);
  const clusterRoleBindings = cache.informer(clusterRoleBindingKind);
  roleBindings.addIndex(subjectIndex, (binding) => roleBindingKeys(binding));
  clusterRoleBindings.addIndex(subjectIndex, (binding) => clusterBindingKeys(binding));
  return grantsFrom({
    roles: cache.informer(roleKind),
    clusterRoles: cache.informer(clusterRoleKind),
    roleBindings,
    clusterRoleBindings,
  });
}

export function grantsFrom(sources: GrantSources): GrantedRules {
  const { roles, clusterRoles, roleBindings, clusterRoleBindings } = sources;

  function rulesOf({ kind, name }: RoleRef, namespace: string | undefined) {
    const role = kind === 'Role' ? roles.get(namespace, name) : clusterRoles.get(undefined, name);
    return role && (role.rules ?? []);
  }

  function* grants(user: User, namespace: string | undefined): Generator<Grant> {
    const keys = userKeys(user);
    for (const subjectKey of keys)
      for (const binding of clusterRoleBindings.byIndex(subjectIndex, subjectKey))
        yield { binding, subjectKey, rules: rulesOf(binding.roleRef, undefined) };
    if (namespace === undefined) return;
    for (const subjectKey of keys)
      for (const binding of roleBindings.byIndex(subjectIndex, inNamespace(namespace, subjectKey)))
        yield { binding, subjectKey, rules: rulesOf(binding.roleRef, namespace) };
  }

  return { grants, rulesOf };
}

function userKeys({ name, groups }: User): string[] {
  return [`User ${name}`, ...groups.map((group) => `Group ${group}`)];
}

/** A service account is the user that it acts as. */
export function subjectKey(subject: Subject, bindingNamespace: string | undefined): string | undefined {
  const { kind, name, namespace } = subject;
  if (kind !== 'ServiceAccount') return kind === 'User' || kind === 'Group' ? `${kind} ${name}` : undefined;
  const home = namespace || bindingNamespace;
  return home && `User ${serviceAccountUserName(home, name)}`;
}

export function clusterBindingKeys({ subjects = [] }: Readonly<ClusterRoleBinding>): string[] {
  return subjects.flatMap((subject) => subjectKey(subject, undefined) ?? []);
}

export function roleBindingKeys({ subjects = [], metadata }: Readonly<RoleBinding>): string[] {
  const namespace = metadata?.namespace ?? '';
  return subjects.flatMap((subject) => {
    const key = subjectKey(subject, namespace);
    return key === undefined ? [] : inNamespace(namespace, key);
  });
}

/** A namespace holds no slash, so no two pairs give one key. */
function inNamespace(namespace: string, key: string): string {
  return `${namespace}/${key}`;
}
