import { bucketOf } from '../label-buckets.ts';
import { definePlugin } from '../plugin.ts';
import { PodCounts } from '../pod-counts.ts';

const partOf = 'app.kubernetes.io/part-of';
const site = 'topology.kubernetes.io/zone';

/**
 * Pods that are parts of one application (the label app.kubernetes.io/part-of) talk to each other: a site (the label
 * topology.kubernetes.io/zone of nodes) where more of them are is better, for between sites the way is long.
 */
export const sameSite = definePlugin({
  name: 'SameSite',
  open({ fleet }) {
    const counts = new PodCounts(fleet);
    return {
      judge({ namespace, labels }) {
        const application = labels[partOf];
        if (application === undefined) return undefined;
        const parts = counts.ask({
          key: `${namespace}/${application}`,
          topologyKey: site,
          matches: (pod) => pod.namespace === namespace && pod.labels[partOf] === application,
          bucket: bucketOf([namespace], { matchLabels: { [partOf]: application } }),
        });
        if (parts.total === 0) return undefined;
        return { score: (node) => (100 * (parts.at(node) ?? 0)) / parts.max };
      },
    };
  },
});
