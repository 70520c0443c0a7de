import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import type { PolicyRule, RoleRef, Subject } from '../../../../../protocol/generated/models.ts';
import type { AccessRequest } from '../../../../../server/api/access/access-request.ts';
import { describeMissing, missingRules } from '../../../../../server/api/access/rbac/cover-rules.ts';
import { ruleAllows } from '../../../../../server/api/access/rbac/match-rule.ts';
import { heldRules, rbacAuthorizer } from '../../../../../server/api/access/rbac/rbac-authorizer.ts';
import type { User } from '../../../../../server/api/access/user.ts';
import { anyRule, grantedIn, request, resourceRule, user, type World, world } from './rbac-model.ts';

/** What Kubernetes' documentation says, with a scan over everything. */
function allowedByScan(world: World, who: User, asked: AccessRequest): boolean {
  const namespace = asked.type === 'resource' ? asked.namespace : undefined;
  const isMeant = (subject: Subject, home: string | undefined) => {
    if (subject.kind === 'User') return subject.name === who.name;
    if (subject.kind === 'Group') return who.groups.includes(subject.name);
    const place = subject.namespace ?? home;
    return place !== undefined && who.name === `system:serviceaccount:${place}:${subject.name}`;
  };
  const rulesOf = ({ kind, name }: RoleRef, home: string | undefined): PolicyRule[] => {
    const roles =
      kind === 'Role'
        ? world.roles.filter(({ metadata }) => metadata?.namespace === home)
        : world.clusterRoles;
    return roles.find(({ metadata }) => metadata?.name === name)?.rules ?? [];
  };
  const given = [
    ...world.clusterRoleBindings,
    ...world.roleBindings.filter(
      ({ metadata }) => namespace !== undefined && metadata?.namespace === namespace,
    ),
  ].filter(({ subjects, metadata }) => subjects?.some((subject) => isMeant(subject, metadata?.namespace)));
  return given.some(({ roleRef, metadata }) =>
    rulesOf(roleRef, metadata?.namespace).some((rule) => ruleAllows(rule, asked)),
  );
}

describe('roles', () => {
  test('the authoriser, which looks up by subject, says what a scan of all bindings says', () => {
    fc.assert(
      fc.property(
        world,
        fc.array(user, { minLength: 1, maxLength: 3 }),
        fc.array(request, { minLength: 1 }),
        (where, users, asked) => {
          const authorize = rbacAuthorizer(grantedIn(where));
          for (const who of users)
            for (const one of asked)
              assert.equal(authorize(who, one).allowed, allowedByScan(where, who, one));
        },
      ),
      { numRuns: 150 },
    );
  });

  test('the rules that somebody holds allow exactly what the authoriser allows', () => {
    fc.assert(
      fc.property(world, user, request, (where, who, asked) => {
        const granted = grantedIn(where);
        const namespace = asked.type === 'resource' ? asked.namespace : undefined;
        const held = heldRules(granted)(who, namespace);
        assert.equal(
          held.some((rule) => ruleAllows(rule, asked)),
          rbacAuthorizer(granted)(who, asked).allowed,
        );
      }),
      { numRuns: 200 },
    );
  });

  test('a yes names the binding, a no the roles that are missing', () => {
    const granted = grantedIn({
      roles: [],
      clusterRoles: [
        { metadata: { name: 'view' }, rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] },
      ],
      roleBindings: [
        {
          metadata: { namespace: 'one', name: 'b' },
          roleRef: { apiGroup: '', kind: 'ClusterRole', name: 'view' },
          subjects: [{ kind: 'ServiceAccount', name: 'bot' }],
        },
        {
          metadata: { namespace: 'two', name: 'b' },
          roleRef: { apiGroup: '', kind: 'Role', name: 'nope' },
          subjects: [{ kind: 'Group', name: 'devs' }],
        },
      ],
      clusterRoleBindings: [],
    });
    const get = (namespace: string) => ({
      type: 'resource' as const,
      verb: 'get',
      group: '',
      resource: 'pods',
      subresource: undefined,
      namespace,
      name: 'a',
    });
    const authorize = rbacAuthorizer(granted);
    assert.deepEqual(authorize({ name: 'system:serviceaccount:one:bot', groups: [] }, get('one')), {
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "b/one" of ClusterRole "view" to ServiceAccount "bot/one"',
    });
    assert.deepEqual(authorize({ name: 'anna', groups: ['devs'] }, get('two')), {
      allowed: false,
      reason: 'RBAC: role.rbac.authorization.k8s.io "nope" not found',
    });
  });
});

describe('giving rights away', () => {
  test('nothing is missing only if whatever the wanted rules allow is allowed already', () => {
    fc.assert(
      fc.property(
        fc.array(anyRule, { maxLength: 4 }),
        fc.array(anyRule, { maxLength: 3 }),
        fc.array(request, { minLength: 20, maxLength: 20 }),
        (held, wanted, requests) => {
          if (missingRules(held, wanted)?.length !== 0) return;
          for (const asked of requests)
            if (wanted.some((rule) => ruleAllows(rule, asked)))
              assert.ok(held.some((rule) => ruleAllows(rule, asked)));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('what somebody holds, they may give, whole or in parts', () => {
    fc.assert(
      fc.property(fc.array(resourceRule, { minLength: 1, maxLength: 3 }), (held) => {
        assert.deepEqual(missingRules(held, held), []);
        const parts = held.flatMap((rule) => rule.verbs.map((verb) => ({ ...rule, verbs: [verb] })));
        assert.deepEqual(missingRules(parts, held), []);
      }),
      { numRuns: 100 },
    );
  });

  test("what is missing is told in Kubernetes' words, a line for each thing", () => {
    const missing = missingRules(
      [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }],
      [
        { verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['pods'] },
        { verbs: ['get'], apiGroups: ['apps'], resources: ['deployments'], resourceNames: ['web'] },
        { verbs: ['get'], nonResourceURLs: ['/metrics'] },
      ],
    );
    assert.equal(
      describeMissing(missing ?? []),
      [
        '{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}',
        '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["web"], Verbs:["get"]}',
        '{NonResourceURLs:["/metrics"], Verbs:["get"]}',
      ].join('\n'),
    );
  });

  test('what cannot be compared in a moment is not held', () => {
    const many = (count: number, prefix = 'x') =>
      Array.from({ length: count }, (_, index) => `${prefix}${index}`);
    const pods = { verbs: ['get'], apiGroups: [''], resources: ['pods'] };
    const product = [{ verbs: many(200), apiGroups: many(200), resources: many(200) }];
    assert.equal(missingRules([pods], product), undefined);
    assert.deepEqual(missingRules([{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }], product), []);
    const long = [{ ...pods, verbs: many(10_000) }];
    assert.equal(missingRules(long, long), undefined);
    const rules = Array.from({ length: 2_000 }, () => pods);
    assert.equal(missingRules(rules, rules), undefined);
    assert.deepEqual(missingRules(rules.slice(0, 500), rules.slice(0, 500)), []);
  });
});
