import type { Taint, Toleration } from '../../../protocol/generated/models.ts';
import { tolerates } from '../../../protocol/tolerations.ts';
import { definePlugin, pureJudge } from '../plugin.ts';

/** Taints that the pod does not tolerate keep it away, or (PreferNoSchedule) make the node less welcome. */
export const taintToleration = definePlugin({
  name: 'TaintToleration',
  weight: 3,
  open: pureJudge(({ pod: { spec } }) => ({
    filter({ hardTaints }) {
      if (hardTaints.length === 0) return undefined;
      const taint = hardTaints.find((entry) => !isTolerated(spec?.tolerations, entry));
      return taint && untolerated(taint);
    },
    score({ softTaints }) {
      if (softTaints.length === 0) return 100;
      const against = softTaints.filter((taint) => !isTolerated(spec?.tolerations, taint)).length;
      return 100 / (1 + against);
    },
  })),
});

export function isTolerated(tolerations: readonly Toleration[] | undefined, taint: Readonly<Taint>): boolean {
  return (tolerations ?? []).some((toleration) => tolerates(toleration, taint));
}

export function untolerated({ key, value }: Readonly<Taint>): string {
  return `node(s) had untolerated taint {${key}: ${value ?? ''}}`;
}
