import type { Container, Pod, PodSpec } from '../../protocol/generated/models.ts';
import { quantityMillis, quantityValue } from '../../protocol/quantity.ts';
import { reservedBy } from './admission.ts';
import { resourcesOf, wholePod, writtenResources } from './container-resources.ts';
import { stopOf } from './plan-ending.ts';
import { nodeLimits, type PartPlan, type PlanContext, type PlanInput, type Reason } from './plan-parts.ts';
import { graceSecondsOf } from './plan-sandbox.ts';
import type { Allocation, ContainerRecord, PodRecord, Resources } from './pod-record.ts';
import type { PodState } from './pod-state.ts';
import { podLimits, resourceLimits } from './resource-limits.ts';
import { resizeTarget } from './steps.ts';

/**
 * A pod's containers ask (spec), the node grants (the record's allocation), the runtime has (the container's record).
 * What is asked anew is granted as a whole or not at all; what is granted is made so, one container at a time. All
 * else of planning sees the pod as it was granted.
 */
export interface ResizeVerdict {
  /** With what the node grants in place of what is asked. */
  pod: Pod;
  /** What the node grants from now on, where that is something else than before. */
  allocation?: Allocation;
  /** Why the node does not grant what is asked. */
  pending?: Required<Reason>;
}

export function judgeResize(pod: Pod, record: PodRecord, context: PlanContext): ResizeVerdict {
  const asked = allocationOf(pod.spec);
  const { allocation: held } = record;
  if (!held) return { pod, allocation: asked };
  if (sameAllocation(asked, held)) return { pod };
  const pending = context.refuseResize?.(pod);
  return pending ? { pod: withAllocation(pod, held), pending } : { pod, allocation: asked };
}

/** The record once `allocation` is granted: what already runs was given what was granted before. */
export function grant(record: PodRecord, pod: Pod, allocation: Allocation): PodRecord {
  const containers = Object.fromEntries(
    Object.entries(record.containers).map(([name, container]) => {
      const resources = container.resources ?? (record.allocation ?? allocation)[name];
      return [name, { ...container, ...(resources ? { resources } : {}) }];
    }),
  );
  const { cpuMillis, memoryBytes, ephemeralStorageBytes } = reservedBy(pod);
  const reserved = { ...record.reserved, cpuMillis, memoryBytes, ephemeralStorageBytes };
  return { ...record, containers, allocation, reserved };
}

export function allocationOf(spec: PodSpec | undefined): Allocation {
  const whole = writtenResources(spec?.resources);
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map(
    (container) => [container.name, resourcesOf(container, spec)] as const,
  );
  return Object.fromEntries(
    [[wholePod, whole] as const, ...all].filter(([, { requests, limits }]) => requests || limits),
  );
}

function withAllocation(pod: Pod, allocation: Allocation): Pod {
  const { spec } = pod;
  if (!spec) return pod;
  const granted = (container: Container): Container => {
    const { resources: asked, ...rest } = container;
    const { requests, limits } = allocation[container.name] ?? {};
    const resources = {
      ...(asked?.claims ? { claims: asked.claims } : {}),
      ...(requests ? { requests } : {}),
      ...(limits ? { limits } : {}),
    };
    return { ...rest, resources };
  };
  const { initContainers, resources: _asked, ...others } = spec;
  const whole = allocation[wholePod];
  return {
    ...pod,
    spec: {
      ...others,
      ...(whole ? { resources: writtenResources(whole) } : {}),
      containers: spec.containers.map(granted),
      ...(initContainers ? { initContainers: initContainers.map(granted) } : {}),
    },
  };
}

/** What a running container needs for what was granted to it; undefined when it has it. */
export function planResize(
  { pod, state, now, context }: PlanInput & { pod: Pod },
  container: Container,
  record: ContainerRecord,
): PartPlan | undefined {
  const granted = resourcesOf(container, pod.spec);
  const changed = changedResources(record.resources ?? granted, granted);
  if (changed.size === 0) return undefined;
  const restarts = (container.resizePolicy ?? []).some(
    ({ resourceName, restartPolicy }) => restartPolicy === 'RestartContainer' && changed.has(resourceName),
  );
  if (restarts) {
    const message = `Container ${container.name} resize requires restart`;
    const stop = stopOf(pod, state, record, graceSecondsOf(pod) * 1000);
    return { steps: [{ type: 'stopContainer', message, ...stop }], replace: true };
  }
  const target = resizeTarget(container.name);
  if (state.underWay[target]) return { steps: [] };
  const failure = state.failures[target];
  if (failure && failure.retryAtMs > now.monotonicMs) return { steps: [], wakeAtMs: failure.retryAtMs };
  const node = nodeLimits(context);
  const limits = resourceLimits(pod, container, node);
  const before = record.resources?.limits?.['memory'];
  const { memoryLimitBytes } = limits;
  const lowersMemory =
    memoryLimitBytes !== undefined && (before === undefined || quantityValue(before) > memoryLimitBytes);
  const whole = { sandbox: state.record.sandbox, podLimits: podLimits(pod, node) };
  const { handle } = record;
  return {
    steps: [{ type: 'resizeContainer', handle, resources: granted, limits, ...whole, lowersMemory }],
  };
}

/** Whether something that runs does not have yet what was granted, and what stood against that last. */
export function resizeProgress(pod: Pod, state: PodState): { message?: string } | undefined {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  const behind = all.filter(({ name }) => {
    const record = state.record.containers[name];
    const granted = state.record.allocation?.[name] ?? {};
    return record && !record.exit && changedResources(record.resources ?? granted, granted).size > 0;
  });
  if (behind.length === 0) return undefined;
  const failure = behind.map(({ name }) => state.failures[resizeTarget(name)]).find(Boolean);
  return failure ? { message: failure.message } : {};
}

function sameAllocation(one: Allocation, other: Allocation): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => changedResources(one[name] ?? {}, other[name] ?? {}).size === 0);
}

/** Names of those in which the two differ. */
function changedResources(one: Resources, other: Resources): ReadonlySet<string> {
  const changed = (['requests', 'limits'] as const).flatMap((part) => {
    const names = new Set([...Object.keys(one[part] ?? {}), ...Object.keys(other[part] ?? {})]);
    return [...names].filter((name) => !sameAmount(name, one[part]?.[name], other[part]?.[name]));
  });
  return new Set(changed);
}

function sameAmount(name: string, one: string | undefined, other: string | undefined): boolean {
  if (one === other) return true;
  if (one === undefined || other === undefined) return false;
  const read = name === 'cpu' ? quantityMillis : quantityValue;
  return read(one) === read(other);
}
