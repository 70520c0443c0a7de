import { definePlugin } from '../plugin.ts';

/**
 * A device that refused this very pod knows better what it can run: it is not asked again while the refusal holds,
 * unless what it offers has changed since.
 */
export const nodeRefusal = definePlugin({
  name: 'NodeRefusal',
  concerns: ({ refusals }) => refusals.size > 0,
  filter({ refusals }, { name, changedAtMs }) {
    const refusal = refusals.get(name);
    return refusal && refusal.sinceMs >= changedAtMs ? 'node(s) refused the pod' : undefined;
  },
});
