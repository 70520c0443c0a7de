import type { ClusterRole, PolicyRule } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { clusterRoleKind } from '../../protocol/kinds/cluster-role.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../protocol/selectors.ts';
import { isStatus } from '../../protocol/status.ts';
import { defineController } from './define-controller.ts';

/** Keeps the rules of every ClusterRole that has an aggregationRule equal to those of the roles it gathers. */
export const clusterRoleAggregationController = defineController({
  name: 'clusterrole-aggregation',
  workers: 1,
  setup({ registry, cache, follow }, enqueue) {
    const roles = cache.informer(clusterRoleKind);
    roles.addIndex(gathering, ({ aggregationRule }) => (aggregationRule ? ['true'] : []));
    follow(roles, () => {
      for (const role of roles.byIndex(gathering, 'true')) enqueue(storedMeta(role).name);
    });
    return async (name) => {
      const role = roles.get(undefined, name);
      if (!role?.aggregationRule) return;
      const rules = gatherRules(role, roles.list());
      if (sameValue(rules, role.rules ?? [])) return;
      await registry
        .mutate(clusterRoleKind, { name }, (draft) => {
          // Whoever takes the aggregation away in this moment keeps the rules that they set.
          if (sameValue(draft.aggregationRule, role.aggregationRule)) draft.rules = rules;
        })
        .catch((error: unknown) => {
          if (!isStatus(error, 'NotFound')) throw error;
        });
    };
  },
});

const gathering = 'gathering';

/** The rules of all other roles that the selectors match, each once, in the order of the roles' names. */
export function gatherRules(
  { aggregationRule, metadata }: Readonly<ClusterRole>,
  roles: Iterable<Readonly<ClusterRole>>,
): PolicyRule[] {
  const selectors = (aggregationRule?.clusterRoleSelectors ?? []).map(compileLabelSelector);
  const nameOf = (role: Readonly<ClusterRole>) => role.metadata?.name ?? '';
  const matching = [...roles]
    .filter((role) => nameOf(role) !== metadata?.name)
    .filter((role) => selectors.some((matches) => matches(role.metadata?.labels)))
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  const rules = matching.flatMap((role) => role.rules ?? []);
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}
