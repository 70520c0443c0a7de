import * as fc from 'fast-check';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../../../../protocol/generated/models.ts';
import { rbacGroup } from '../../../../../protocol/kinds/rbac/policy-rules.ts';
import type { AccessRequest } from '../../../../../server/api/access/access-request.ts';
import {
  clusterBindingKeys,
  type GrantedRules,
  grantsFrom,
  roleBindingKeys,
  subjectIndex,
} from '../../../../../server/api/access/rbac/granted-rules.ts';
import type { User } from '../../../../../server/api/access/user.ts';
import { keyOfName, keyOfObject, ObjectIndex } from '../../../../../server/cache/object-index.ts';

/** Small worlds of roles and bindings, in few names, so that they meet often. */
export interface World {
  roles: Role[];
  clusterRoles: ClusterRole[];
  roleBindings: RoleBinding[];
  clusterRoleBindings: ClusterRoleBinding[];
}

const namespaces = ['one', 'two'];
const verbs = ['get', 'list', 'create', '*'];
const groups = ['', 'apps', '*'];
const resources = ['pods', 'pods/log', 'secrets', '*', '*/log'];
const names = ['a', 'b'];
const urls = ['/metrics', '/api/*', '/api/v1', '*'];
const roleNames = ['r1', 'r2', 'gone'];

const list = <T>(values: readonly T[], minLength = 1) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength, maxLength: 2 });

export const resourceRule: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: list(verbs),
  apiGroups: list(groups),
  resources: list(resources),
  resourceNames: list(names, 0),
});
const urlRule: fc.Arbitrary<PolicyRule> = fc.record({ verbs: list(verbs), nonResourceURLs: list(urls) });
export const anyRule = fc.oneof({ weight: 3, arbitrary: resourceRule }, { weight: 1, arbitrary: urlRule });

const subject: fc.Arbitrary<Subject> = fc.oneof(
  fc.constantFrom('anna', 'system:serviceaccount:one:bot').map((name) => ({ kind: 'User', name })),
  fc.constantFrom('devs', 'ops').map((name) => ({ kind: 'Group', name })),
  fc
    .constantFrom({}, { namespace: 'one' })
    .map((place) => ({ kind: 'ServiceAccount', name: 'bot', ...place })),
);

const ref = (kinds: string[]) =>
  fc.record({
    apiGroup: fc.constant(rbacGroup),
    kind: fc.constantFrom(...kinds),
    name: fc.constantFrom(...roleNames),
  });

export const world: fc.Arbitrary<World> = fc
  .record({
    rules: fc.array(fc.array(anyRule, { maxLength: 3 }), { minLength: 6, maxLength: 6 }),
    roleBindings: fc.array(
      fc.record({
        namespace: fc.constantFrom(...namespaces),
        roleRef: ref(['Role', 'ClusterRole']),
        subjects: fc.array(subject, { maxLength: 3 }),
      }),
      { maxLength: 6 },
    ),
    clusterRoleBindings: fc.array(
      fc.record({ roleRef: ref(['ClusterRole']), subjects: fc.array(subject, { maxLength: 3 }) }),
      { maxLength: 3 },
    ),
  })
  .map(({ rules, roleBindings, clusterRoleBindings }) => ({
    roles: namespaces.flatMap((namespace, at) =>
      ['r1', 'r2'].map((name, index) => ({
        metadata: { namespace, name },
        rules: rules[at * 2 + index] ?? [],
      })),
    ),
    clusterRoles: ['r1', 'r2'].map((name, index) => ({ metadata: { name }, rules: rules[4 + index] ?? [] })),
    roleBindings: roleBindings.map(({ namespace, ...binding }, index) => ({
      ...binding,
      metadata: { namespace, name: `b${index}` },
    })),
    clusterRoleBindings: clusterRoleBindings.map((binding, index) => ({
      ...binding,
      metadata: { name: `b${index}` },
    })),
  }));

export const user: fc.Arbitrary<User> = fc.oneof(
  fc.uniqueArray(fc.constantFrom('devs', 'ops')).map((groups) => ({ name: 'anna', groups })),
  fc.constantFrom('one', 'two').map((home) => ({ name: `system:serviceaccount:${home}:bot`, groups: [] })),
);

export const request: fc.Arbitrary<AccessRequest> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('resource' as const),
      verb: fc.constantFrom('get', 'list', 'create', 'delete'),
      group: fc.constantFrom('', 'apps', 'batch'),
      resource: fc.constantFrom('pods', 'secrets', 'nodes'),
      subresource: fc.constantFrom(undefined, 'log'),
      namespace: fc.constantFrom(undefined, ...namespaces),
      name: fc.constantFrom(undefined, 'a', 'b', 'c'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('path' as const),
      verb: fc.constantFrom('get', 'post'),
      path: fc.constantFrom('/metrics', '/api/v1', '/api', '/secret'),
    }),
  },
);

/** The world as the authoriser sees it, over the cache's own index. */
export function grantedIn(world: World): GrantedRules {
  const roles = indexOf(world.roles);
  const clusterRoles = indexOf(world.clusterRoles);
  const roleBindings = indexOf(world.roleBindings);
  const clusterRoleBindings = indexOf(world.clusterRoleBindings);
  roleBindings.addIndex(subjectIndex, roleBindingKeys);
  clusterRoleBindings.addIndex(subjectIndex, clusterBindingKeys);
  return grantsFrom({
    roles: { get: (namespace, name) => roles.get(keyOfName(namespace, name)) },
    clusterRoles: { get: (namespace, name) => clusterRoles.get(keyOfName(namespace, name)) },
    roleBindings,
    clusterRoleBindings,
  });
}

function indexOf<T extends { metadata?: { namespace?: string; name?: string } }>(
  objects: T[],
): ObjectIndex<T> {
  const index = new ObjectIndex<T>();
  for (const object of objects) index.put(keyOfObject(object), object);
  return index;
}
