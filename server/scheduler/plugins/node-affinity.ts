import { matchesNodeTerm, namedNodes, selectsNode } from '../../../protocol/node-selection.ts';
import { definePlugin, pureJudge } from '../plugin.ts';

/** In Kubernetes' words; also for nodes that need not be looked at because the pod names others. */
export const affinityReason = "node(s) didn't match Pod's node affinity/selector";

/** spec.nodeSelector and node affinity: required terms filter, preferred ones score. */
export const nodeAffinity = definePlugin({
  name: 'NodeAffinity',
  weight: 2,
  open: pureJudge(({ pod: { spec } }) => {
    const affinity = spec?.affinity?.nodeAffinity;
    if (Object.keys(spec?.nodeSelector ?? {}).length === 0 && affinity === undefined) return undefined;
    const preferred = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = preferred.reduce((sum, term) => sum + term.weight, 0);
    const onlyNodes = namedNodes(spec);
    return {
      ...(onlyNodes ? { onlyNodes } : {}),
      filter: (node) => (selectsNode(spec, node) ? undefined : affinityReason),
      ...(total === 0
        ? {}
        : {
            score: (node) => {
              const met = preferred.reduce(
                (sum, term) => sum + (matchesNodeTerm(term.preference, node) ? term.weight : 0),
                0,
              );
              return (100 * met) / total;
            },
          }),
    };
  }),
});
