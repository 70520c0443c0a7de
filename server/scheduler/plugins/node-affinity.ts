import { matchesNodeTerm, selectsNode } from '../../../protocol/node-selection.ts';
import { definePlugin } from '../plugin.ts';

export const affinityReason = "node(s) didn't match Pod's node affinity/selector";

/** spec.nodeSelector and node affinity: required terms filter, preferred ones score. */
export const nodeAffinity = definePlugin({
  name: 'NodeAffinity',
  weight: 2,
  concerns: ({ pod: { spec } }) =>
    Object.keys(spec?.nodeSelector ?? {}).length > 0 || spec?.affinity?.nodeAffinity !== undefined,
  filter: ({ pod: { spec } }, node) => (selectsNode(spec, node) ? undefined : affinityReason),
  score({ pod: { spec } }, node) {
    const preferred = spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = preferred.reduce((sum, term) => sum + term.weight, 0);
    if (total === 0) return 0;
    const met = preferred.reduce(
      (sum, term) => sum + (matchesNodeTerm(term.preference, node) ? term.weight : 0),
      0,
    );
    return (100 * met) / total;
  },
});
