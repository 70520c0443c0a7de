import type { NodeReport, PodReport } from '../../protocol/topics/sync.ts';

/**
 * What the server has not yet acknowledged: one slot per pod and one for the node, never a growing queue. A newer report replaces
 * the older one in its slot; slots are sent when connected and again after a reconnect until acknowledged.
 */
export interface StatusOutbox {
  reportPod(report: PodReport): void;
  reportNode(report: NodeReport): void;
}
