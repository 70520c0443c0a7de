import type { Container, Pod } from '../../protocol/generated/models.ts';
import { podRequests, qosClassOf } from '../../protocol/kinds/pod-spec/resources.ts';
import { quantityMillis, quantityValue } from '../../protocol/quantity.ts';
import { evictedReason } from './plan-eviction.ts';
import type { Reserved } from './pod-record.ts';
import { type Refusal, refuseUnsupported } from './unsupported.ts';

/**
 * Whether this device takes a pod, asked once per pod before anything of it is started. A pod that was admitted is
 * never asked about again. Reasons are kubelet's where it has one.
 */
export interface AdmissionContext {
  allocatable: NodeAllocatable;
  /** Of every admitted pod that still holds resources. */
  admitted: readonly Reserved[];
  /** Of every pod whose sandbox exists. */
  hostPorts: readonly string[];
  /** Conditions of the node that are True for want of something. */
  pressures?: ReadonlySet<string>;
  /** Names of the runtime drivers in use, the default first. */
  runtimes: readonly string[];
  /** By resource: `kind/name` of what counts as one. */
  counted?: ReadonlyMap<string, readonly string[]>;
  /** Kernel parameters that pods may set beside the safe ones, `kernel.msg*`. */
  allowedSysctls?: readonly string[];
}

export interface NodeAllocatable {
  cpuMillis: number;
  memoryBytes: number;
  ephemeralStorageBytes: number;
  pods: number;
}

export type Admission =
  | { admitted: true; runtime: string; reserved: Reserved }
  | { admitted: false; reason: string; message: string; reserved: Reserved };

export function admit(pod: Pod, context: AdmissionContext): Admission {
  const reserved = reservedBy(pod);
  const runtime = pod.spec?.runtimeClassName ?? context.runtimes[0];
  const refusal =
    refuseRuntime(runtime, context) ??
    refuseUnsupported(pod, runtime, context.allowedSysctls) ??
    refusePressure(pod, context) ??
    refusePorts(reserved, context) ??
    refuseResources(pod, reserved, context);
  if (refusal || runtime === undefined) {
    return { admitted: false, reserved, ...(refusal ?? noRuntime) };
  }
  const devices = setAside(pod, context);
  if ('reason' in devices) return { admitted: false, reserved, ...devices };
  const holds = Object.keys(devices.devices).length > 0;
  return { admitted: true, runtime, reserved: holds ? { ...reserved, ...devices } : reserved };
}

/** For each container the devices that it asks for by number. Init containers are done before others begin. */
function setAside(
  pod: Pod,
  { counted = new Map(), admitted }: AdmissionContext,
): { devices: NonNullable<Reserved['devices']> } | Refusal {
  const taken = admitted.flatMap(({ devices = {} }) => Object.values(devices).flatMap(Object.values)).flat();
  const devices: NonNullable<Reserved['devices']> = {};
  const assign = (containers: readonly Container[], used: string[]): Refusal | undefined => {
    for (const { name, resources } of containers) {
      for (const [resource, amount] of Object.entries({ ...resources?.requests, ...resources?.limits })) {
        if (!resource.includes('/')) continue;
        const count = quantityValue(amount);
        const all: readonly string[] = counted.get(resource) ?? [];
        const free = all.filter((key) => !used.includes(key)).slice(0, count);
        if (free.length < count) return noDevice(resource, { count, used: used.length, all: all.length });
        used.push(...free);
        devices[name] = { ...devices[name], [resource]: free };
      }
    }
    return undefined;
  };
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  const lasting = [...taken];
  const refusal = assign([...sidecars, ...(pod.spec?.containers ?? [])], lasting);
  if (refusal) return refusal;
  for (const init of pod.spec?.initContainers ?? []) {
    if (sidecars.includes(init)) continue;
    const refused = assign([init], [...taken]);
    if (refused) return refused;
  }
  return { devices };
}

/** The device manager's words. */
function noDevice(resource: string, { count, used, all }: Record<'count' | 'used' | 'all', number>): Refusal {
  return {
    reason: 'UnexpectedAdmissionError',
    message: `Pod was rejected: Allocate failed due to requested number of devices unavailable for ${resource}. Requested: ${count}, Available: ${Math.max(0, all - used)}, which is unexpected`,
  };
}

/** What a pod takes of the node. */
export function reservedBy(pod: Pod): Reserved {
  const requests = podRequests(pod.spec ?? { containers: [] });
  return {
    cpuMillis: quantityMillis(requests['cpu'] ?? '0'),
    memoryBytes: quantityValue(requests['memory'] ?? '0'),
    ephemeralStorageBytes: quantityValue(requests['ephemeral-storage'] ?? '0'),
    hostPorts: hostPortsOf(pod),
  };
}

/**
 * Why an admitted pod cannot have what it asks for now: never on this node, or not beside the others (source: kubelet,
 * canResizePod).
 */
export function refuseResize(
  pod: Pod,
  context: Pick<AdmissionContext, 'allocatable' | 'admitted' | 'counted'>,
): Refusal | undefined {
  const reserved = reservedBy(pod);
  const { allocatable } = context;
  const never = [
    ['cpu', reserved.cpuMillis, allocatable.cpuMillis] as const,
    ['memory', reserved.memoryBytes, allocatable.memoryBytes] as const,
  ].find(([, requested, capacity]) => requested > capacity);
  if (never) {
    const [resource, requested, capacity] = never;
    const message = `Node didn't have enough capacity: ${resource}, requested: ${requested}, capacity: ${capacity}`;
    return { reason: 'Infeasible', message };
  }
  const refusal = refuseResources(pod, reserved, context);
  return refusal && { reason: 'Deferred', message: refusal.message.replace(rejected, '') };
}

const rejected = 'Pod was rejected: ';

const noRuntime: Refusal = {
  reason: 'RuntimeUnavailable',
  message: 'Pod was rejected: no container runtime works on this node',
};

function refuseRuntime(runtime: string | undefined, { runtimes }: AdmissionContext): Refusal | undefined {
  if (runtime === undefined) return noRuntime;
  if (runtimes.includes(runtime)) return undefined;
  return {
    reason: 'RuntimeClassNotFound',
    message: `Pod was rejected: RuntimeClass "${runtime}" not found on this node; it has ${runtimes.join(', ') || 'none'}`,
  };
}

/** Pods that the node could not do without. */
const systemCriticalPriority = 2_000_000_000;

/** A node that evicts takes nothing that it would evict next. */
function refusePressure(pod: Pod, { pressures = new Set() }: AdmissionContext): Refusal | undefined {
  if ((pod.spec?.priority ?? 0) >= systemCriticalPriority) return undefined;
  const asksForMemory = qosClassOf(pod.spec ?? { containers: [] }) !== 'BestEffort';
  const felt = [...pressures].filter((type) => type !== 'MemoryPressure' || !asksForMemory);
  if (felt.length === 0) return undefined;
  return {
    reason: evictedReason,
    message: `Pod was rejected: The node had condition: [${felt.join(' ')}]. `,
  };
}

function refusePorts(reserved: Reserved, { hostPorts }: AdmissionContext): Refusal | undefined {
  const conflict = reserved.hostPorts.find((port) => hostPorts.some((other) => portsCollide(port, other)));
  if (conflict === undefined) return undefined;
  const [, protocol = '', number = ''] = conflict.split('/');
  return {
    reason: 'NodePorts',
    message: `Pod was rejected: Predicate NodePorts failed: host port ${number}/${protocol} is in use by another pod`,
  };
}

function refuseResources(
  pod: Pod,
  reserved: Reserved,
  context: Pick<AdmissionContext, 'allocatable' | 'admitted' | 'counted'>,
): Refusal | undefined {
  const { allocatable, admitted } = context;
  if (admitted.length + 1 > allocatable.pods) {
    return insufficient('pods', 1, admitted.length, allocatable.pods);
  }
  const unknown = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
    .flatMap(({ resources }) => Object.keys({ ...resources?.limits, ...resources?.requests }))
    .find(
      (resource) =>
        !['cpu', 'memory', 'ephemeral-storage'].includes(resource) && !context.counted?.has(resource),
    );
  if (unknown !== undefined) {
    return {
      reason: 'UnexpectedAdmissionError',
      message: `Pod was rejected: Allocate failed due to no ${unknown} on this node, which is unexpected`,
    };
  }
  const used = (of: (reserved: Reserved) => number) => admitted.reduce((sum, other) => sum + of(other), 0);
  const checks = [
    ['cpu', reserved.cpuMillis, used((other) => other.cpuMillis), allocatable.cpuMillis],
    ['memory', reserved.memoryBytes, used((other) => other.memoryBytes), allocatable.memoryBytes],
    [
      'ephemeral-storage',
      reserved.ephemeralStorageBytes,
      used((other) => other.ephemeralStorageBytes),
      allocatable.ephemeralStorageBytes,
    ],
  ] as const;
  for (const [resource, requested, inUse, capacity] of checks) {
    if (requested > 0 && requested + inUse > capacity) {
      return insufficient(resource, requested, inUse, capacity);
    }
  }
  return undefined;
}

/** kubelet's InsufficientResourceError; cpu in thousandths, the others in whole units. */
function insufficient(resource: string, requested: number, used: number, capacity: number): Refusal {
  return {
    reason: `OutOf${resource}`,
    message: `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}

/** With the host's network every declared port is the host's. */
function hostPortsOf({ spec }: Pod): string[] {
  return (spec?.containers ?? []).flatMap(({ ports }) =>
    (ports ?? []).flatMap(({ hostIP, hostPort, containerPort, protocol }) => {
      const port = hostPort ?? (spec?.hostNetwork ? containerPort : undefined);
      const address = hostIP === undefined || hostIP === '0.0.0.0' || hostIP === '::' ? '' : hostIP;
      return port ? [`${address}/${protocol ?? 'TCP'}/${port}`] : [];
    }),
  );
}

function portsCollide(one: string, other: string): boolean {
  const [address, protocol, port] = one.split('/');
  const [otherAddress, otherProtocol, otherPort] = other.split('/');
  if (protocol !== otherProtocol || port !== otherPort) return false;
  return address === '' || otherAddress === '' || address === otherAddress;
}
