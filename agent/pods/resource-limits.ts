import type { Container, Pod, PodSpec } from '../../protocol/generated/models.ts';
import {
  isSidecar,
  podRequests,
  qosClassOf,
  podLimits as totalLimits,
} from '../../protocol/kinds/pod-spec/resources.ts';
import { quantityMillis, quantityValue } from '../../protocol/quantity.ts';
import type { PodLimits, ResourceLimits } from '../drivers/driver.ts';
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
  const memoryMinBytes = memory === undefined ? undefined : quantityValue(memory);
  return {
    cpuLimitMillis: limits['cpu'] === undefined ? undefined : quantityMillis(limits['cpu']),
    cpuRequestMillis: request === undefined ? undefined : quantityMillis(request),
    memoryLimitBytes: limits['memory'] === undefined ? undefined : quantityValue(limits['memory']),
    ...(memoryMinBytes === undefined ? {} : { memoryMinBytes }),
    oomScoreAdjust: oomScoreAdjust(pod, container, node.memoryBytes),
    ...(node.podPidsMax === undefined ? {} : { pidsMax: node.podPidsMax }),
  };
}

/**
 * What all containers of the pod together may take: what they request, and the sum of their limits where every one has a
 * limit (source: kubelet, ResourceConfigForPod).
 */
export function podLimits(pod: Pod, node: NodeLimits): PodLimits {
  const spec = pod.spec ?? { containers: [] };
  const requests = podRequests(spec);
  const limits = totalLimits(spec);
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const limited = (name: string) =>
    spec.resources?.limits?.[name] !== undefined ||
    containers.every(({ resources }) => isSome(resources?.limits?.[name]));
  const memory = quantityValue(requests['memory'] ?? '0');
  return {
    qos: qosClassOf(spec),
    cpuRequestMillis: quantityMillis(requests['cpu'] ?? '0'),
    cpuLimitMillis: limited('cpu') ? quantityMillis(limits['cpu'] ?? '0') : undefined,
    memoryLimitBytes: limited('memory') ? quantityValue(limits['memory'] ?? '0') : undefined,
    memoryMinBytes: memory,
    ...(node.podPidsMax === undefined ? {} : { pidsMax: node.podPidsMax }),
  };
}

function isSome(amount: string | undefined): boolean {
  return amount !== undefined && quantityValue(amount) > 0;
}

const guaranteedScore = -997;
/** system-node-critical is never the first to die. */
const nodeCriticalPriority = 2_000_001_000;

/**
 * Kubelet's scores: guaranteed pods last, those that ask for nothing first, between them the one that asks for more
 * memory later. What a pod requests beyond its containers counts for each of them alike, and a sidecar goes no sooner than
 * those it serves.
 */
function oomScoreAdjust({ spec = { containers: [] } }: Pod, container: Container, nodeBytes: number): number {
  if ((spec.priority ?? 0) >= nodeCriticalPriority) return guaranteedScore;
  const qos = qosClassOf(spec);
  if (qos === 'Guaranteed') return guaranteedScore;
  if (qos === 'BestEffort') return 1000;
  const shared = sharedRequest(spec);
  const scoreOf = (one: Container) => {
    const score = 1000 - Math.floor((1000 * (memoryRequest(one) + shared)) / Math.max(1, nodeBytes));
    return Math.min(999, Math.max(1000 + guaranteedScore, score));
  };
  const own = scoreOf(container);
  if (!isSidecar(container)) return own;
  return Math.min(own, ...spec.containers.map(scoreOf));
}

function memoryRequest({ resources }: Container): number {
  return quantityValue(resources?.requests?.['memory'] ?? resources?.limits?.['memory'] ?? '0');
}

function sharedRequest(spec: PodSpec): number {
  const whole = spec.resources?.requests?.['memory'];
  if (whole === undefined) return 0;
  const containers = [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)];
  const theirs = containers.reduce((sum, container) => sum + memoryRequest(container), 0);
  return Math.max(0, quantityValue(whole) - theirs) / Math.max(1, containers.length);
}
