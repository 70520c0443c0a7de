import { refusingNodes } from '../../registry/pods.ts';
import { definePlugin } from '../plugin.ts';

/** A device that refused this very pod is not asked again: it knows better what it can run. */
export const nodeRefusal = definePlugin({
  name: 'NodeRefusal',
  filter({ pod }, { name }) {
    return refusingNodes(pod).includes(name) ? 'node(s) refused the pod' : undefined;
  },
});
