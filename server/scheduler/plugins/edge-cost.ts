import type { NodeState } from '../node-state.ts';
import { definePlugin, pureJudge } from '../plugin.ts';

/** What makes a device a worse place to work on than another, all else being equal. */
const batteryCost = 40;
const meteredCost = 30;

/**
 * Devices at the edge are not alike: prefers those with a cheap link, mains power and flash that is not worn. The
 * labels `flotilla.dev/link-cost` (0, free, to 100), `flotilla.dev/metered` and `flotilla.dev/battery` (`true`) and the
 * annotation `flotilla.dev/flash-life-used` (percent, as the device reports it) say so.
 */
export const edgeCost = definePlugin({
  name: 'EdgeCost',
  open: pureJudge(() => ({ score: (node) => Math.max(0, 100 - costOf(node)) })),
});

function costOf({ labels, node }: NodeState): number {
  return (
    percent(labels['flotilla.dev/link-cost']) +
    (labels['flotilla.dev/metered'] === 'true' ? meteredCost : 0) +
    (labels['flotilla.dev/battery'] === 'true' ? batteryCost : 0) +
    percent(node?.metadata?.annotations?.['flotilla.dev/flash-life-used'])
  );
}

function percent(text: string | undefined): number {
  const value = Number(text ?? 0);
  return value >= 0 && value <= 100 ? value : 0;
}
