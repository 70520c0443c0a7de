import { definePlugin, pureJudge } from '../plugin.ts';

/**
 * A device that refused this very pod knows better what it can run: it is not asked again while the refusal holds,
 * unless what it offers has changed since.
 */
export const nodeRefusal = definePlugin({
  name: 'NodeRefusal',
  open: pureJudge(({ refusals }) => {
    if (refusals.size === 0) return undefined;
    return {
      filter({ name, changedAtMs }) {
        const refusal = refusals.get(name);
        return refusal && refusal.sinceMs >= changedAtMs ? 'node(s) refused the pod' : undefined;
      },
    };
  }),
});
