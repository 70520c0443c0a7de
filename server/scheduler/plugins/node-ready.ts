import { definePlugin, pureJudge } from '../plugin.ts';
import { isTolerated, untolerated } from './taint-toleration.ts';

const unschedulable = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
const unreachable = { key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' };

/**
 * New work goes only to devices that are connected, and to no cordoned ones: a pod bound to a silent one would wait for
 * its return while others stand ready. Kubernetes gets there by taints alone; the taint of a device that fell silent a
 * moment ago may not be written yet, so it is taken as written. A pod that tolerates it goes there.
 */
export const nodeReady = definePlugin({
  name: 'NodeReady',
  open: pureJudge(({ pod: { spec } }) => ({
    filter(node) {
      if (node.unschedulable && !isTolerated(spec?.tolerations, unschedulable))
        return 'node(s) were unschedulable';
      if (node.ready === 'True') return undefined;
      const implied = node.ready === 'False' ? notReady : unreachable;
      return isTolerated(spec?.tolerations, implied) ? undefined : untolerated(implied);
    },
  })),
});
