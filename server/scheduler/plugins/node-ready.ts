import { definePlugin } from '../plugin.ts';

/**
 * New work goes only to devices that are connected now: a pod bound to a silent one would wait for its return while others
 * stand ready. (Kubernetes gets there by taints alone; the taint of a device that fell silent a moment ago may not be written yet.)
 */
export const nodeReady = definePlugin({
  name: 'NodeReady',
  filter({ pod }, { node }) {
    if (node.spec?.unschedulable && !toleratesUnschedulable(pod.spec?.tolerations))
      return 'node(s) were unschedulable';
    const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready');
    return ready?.status === 'True' ? undefined : 'node(s) were not ready';
  },
});

function toleratesUnschedulable(
  tolerations: readonly { key?: string; operator?: string }[] | undefined,
): boolean {
  return (tolerations ?? []).some(
    ({ key, operator }) => operator === 'Exists' && (!key || key === 'node.kubernetes.io/unschedulable'),
  );
}
