import type { Container, Pod } from '../../protocol/generated/models.ts';
import { qosClassOf } from '../../protocol/kinds/pod-spec/resources.ts';
import { quantityMillis, quantityValue } from '../../protocol/quantity.ts';
import type { ResourceLimits } from '../drivers/driver.ts';
import { resourcesOf } from './container-resources.ts';

export interface NodeLimits {
  /** Of the node, which a container's request is held against. */
  memoryBytes: number;
  /** Processes and threads that one container may have; undefined: no limit. */
  podPidsMax: number | undefined;
}

/** What a container of the pod may take, and how early the kernel picks it when memory is gone. */
export function resourceLimits(pod: Pod, container: Container, node: NodeLimits): ResourceLimits {
  const { limits = {}, requests = {} } = resourcesOf(container, pod.spec);
  const { limits: own = {} } = container.resources ?? {};
  const request = requests['cpu'] ?? own['cpu'];
  const memory = requests['memory'] ?? own['memory'];
  return {
    cpuLimitMillis: limits['cpu'] === undefined ? undefined : quantityMillis(limits['cpu']),
    cpuRequestMillis: request === undefined ? undefined : quantityMillis(request),
    memoryLimitBytes: limits['memory'] === undefined ? undefined : quantityValue(limits['memory']),
    oomScoreAdjust: oomScoreAdjust(pod, memory === undefined ? 0 : quantityValue(memory), node.memoryBytes),
    ...(node.podPidsMax === undefined ? {} : { pidsMax: node.podPidsMax }),
  };
}

const guaranteedScore = -997;
/** system-node-critical is never the first to die. */
const nodeCriticalPriority = 2_000_001_000;

/**
 * Kubelet's scores: guaranteed pods last, those that ask for nothing first, between them the one that asks for more
 * memory later.
 */
function oomScoreAdjust({ spec }: Pod, requestBytes: number, nodeBytes: number): number {
  if ((spec?.priority ?? 0) >= nodeCriticalPriority) return guaranteedScore;
  const qos = qosClassOf(spec ?? { containers: [] });
  if (qos === 'Guaranteed') return guaranteedScore;
  if (qos === 'BestEffort') return 1000;
  const score = 1000 - Math.floor((1000 * requestBytes) / Math.max(1, nodeBytes));
  return Math.min(999, Math.max(1000 + guaranteedScore, score));
}
