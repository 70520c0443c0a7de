import type { Taint, Toleration } from '../../../protocol/generated/models.ts';
import { tolerates } from '../../../protocol/tolerations.ts';
import { definePlugin } from '../plugin.ts';

/** Taints that the pod does not tolerate keep it away, or (PreferNoSchedule) make the node less welcome. */
export const taintToleration = definePlugin({
  name: 'TaintToleration',
  weight: 3,
  filter({ pod }, { node }) {
    const hard = (node.spec?.taints ?? []).filter((taint) => taint.effect !== 'PreferNoSchedule');
    const taint = hard.find((entry) => !isTolerated(pod.spec?.tolerations, entry));
    return taint && `node(s) had untolerated taint {${taint.key}${taint.value ? `: ${taint.value}` : ''}}`;
  },
  score({ pod }, { node }) {
    const soft = (node.spec?.taints ?? []).filter((taint) => taint.effect === 'PreferNoSchedule');
    const against = soft.filter((taint) => !isTolerated(pod.spec?.tolerations, taint)).length;
    return 100 / (1 + against);
  },
});

function isTolerated(tolerations: readonly Toleration[] | undefined, taint: Readonly<Taint>): boolean {
  return (tolerations ?? []).some((toleration) => tolerates(toleration, taint));
}
