import type { Container, PodSpec, ResourceRequirements } from '../../generated/models.ts';
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
} from '../../quantity.ts';

/** A limit without a request is a request, too. In place; for pods only, as templates keep what was written. */
export function defaultRequests(spec: PodSpec): void {
  for (const { resources } of [...(spec.containers ?? []), ...(spec.initContainers ?? [])]) {
    if (!resources?.limits) continue;
    resources.requests = { ...resources.limits, ...resources.requests };
  }
}

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const qosResources = ['cpu', 'memory'];

/** Who is squeezed first when a device runs short (source: k8s.io/kubernetes/pkg/apis/core/helper/qos). */
export function qosClassOf(spec: PodSpec): QosClass {
  const parts = spec.resources
    ? [spec.resources]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }) => resources ?? {});
  const used = parts.some((part) =>
    qosResources.some((name) => amountOf(part.requests, name) || amountOf(part.limits, name)),
  );
  if (!used) return 'BestEffort';
  return parts.every(isGuaranteed) ? 'Guaranteed' : 'Burstable';
}

function isGuaranteed({ requests, limits }: ResourceRequirements): boolean {
  return qosResources.every((name) => {
    const limit = amountOf(limits, name);
    const request = requests?.[name] === undefined ? limit : amountOf(requests, name);
    return limit !== undefined && request !== undefined && compareQuantities(limit, request) === 0;
  });
}

/** Undefined for none and for 0. */
function amountOf(list: Record<string, string> | undefined, name: string): Quantity | undefined {
  const text = list?.[name];
  if (text === undefined) return undefined;
  const quantity = parseQuantity(text);
  return quantity.nano === 0n ? undefined : quantity;
}

/**
 * What a pod asks of its node, as canonical quantities by resource: the sum over its containers and sidecars, or
 * what the largest step of its initialization needs if that is more, plus the overhead of its runtime (source:
 * k8s.io/component-helpers/resource, PodRequests).
 */
export function podRequests(spec: PodSpec): Record<string, string> {
  const total = totalsOf(spec, 'requests');
  addAll(total, spec.overhead);
  return written(total);
}

/** What a pod may use at most, of what it has a limit for: as `podRequests`. */
export function podLimits(spec: PodSpec): Record<string, string> {
  const total = totalsOf(spec, 'limits');
  const overhead = Object.entries(spec.overhead ?? {}).filter(([name]) => total.has(name));
  addAll(total, Object.fromEntries(overhead));
  return written(total);
}

/** The same without the overhead. */
export function podTotals(spec: PodSpec, part: 'requests' | 'limits'): Record<string, string> {
  return written(totalsOf(spec, part));
}

function totalsOf(spec: PodSpec, part: 'requests' | 'limits'): Map<string, Quantity> {
  const running = new Map<string, Quantity>();
  const peak = new Map<string, Quantity>();
  for (const container of spec.containers ?? []) addAll(running, container.resources?.[part]);
  const sidecars = new Map<string, Quantity>();
  for (const container of spec.initContainers ?? []) {
    if (isSidecar(container)) {
      addAll(running, container.resources?.[part]);
      addAll(sidecars, container.resources?.[part]);
      raiseAll(peak, sidecars);
    } else {
      const step = new Map(sidecars);
      addAll(step, container.resources?.[part]);
      raiseAll(peak, step);
    }
  }
  raiseAll(running, peak);
  for (const [name, text] of Object.entries(spec.resources?.[part] ?? {}))
    running.set(name, parseQuantity(text));
  return running;
}

function written(amounts: ReadonlyMap<string, Quantity>): Record<string, string> {
  return Object.fromEntries([...amounts].map(([name, quantity]) => [name, formatQuantity(quantity)]));
}

/** An init container that goes on running beside the others. */
export function isSidecar(container: Pick<Container, 'restartPolicy'> | undefined): boolean {
  return container?.restartPolicy === 'Always';
}

function addAll(sums: Map<string, Quantity>, list: Record<string, string> | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = parseQuantity(text);
    const sum = sums.get(name);
    sums.set(name, sum ? addQuantities(sum, quantity) : quantity);
  }
}

function raiseAll(sums: Map<string, Quantity>, floor: ReadonlyMap<string, Quantity>): void {
  for (const [name, quantity] of floor) {
    const sum = sums.get(name);
    if (!sum || compareQuantities(sum, quantity) < 0) sums.set(name, quantity);
  }
}
