import type {
  Container,
  ContainerStatus,
  Pod,
  PodSpec,
  ResourceRequirements,
} from '../../generated/models.ts';
import { compareQuantities, parseQuantity } from '../../quantity.ts';

type Requests = Readonly<Record<string, string>>;

/**
 * The pod's spec with requests raised to what its containers hold while a resize is not done: what a node has granted or
 * still enforces counts until it is given back. What is asked and can never be had does not count (source:
 * k8s.io/component-helpers/resource, PodRequests with UseStatusResources).
 */
export function heldSpec({ spec, status }: Readonly<Pod>): PodSpec | undefined {
  const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const whole = status?.allocatedResources;
  if (!spec || (!whole && !statuses.some(({ allocatedResources }) => allocatedResources))) return spec;
  const infeasible = (status?.conditions ?? []).some(
    ({ type, reason }) => type === 'PodResizePending' && reason === 'Infeasible',
  );
  const byName = new Map(statuses.map((each) => [each.name, each]));
  const held = (container: Container) => heldContainer(container, byName.get(container.name), infeasible);
  const containers = spec.containers.map(held);
  const initContainers = spec.initContainers?.map(held);
  const resources = heldResources(spec.resources, status, infeasible);
  const same =
    resources === spec.resources &&
    containers.every((each, index) => each === spec.containers[index]) &&
    (initContainers ?? []).every((each, index) => each === spec.initContainers?.[index]);
  if (same) return spec;
  return {
    ...spec,
    containers,
    ...(initContainers ? { initContainers } : {}),
    ...(resources ? { resources } : {}),
  };
}

function heldContainer(
  container: Container,
  status: ContainerStatus | undefined,
  infeasible: boolean,
): Container {
  const resources = heldResources(container.resources, status, infeasible);
  return resources === container.resources || !resources ? container : { ...container, resources };
}

function heldResources(
  written: ResourceRequirements | undefined,
  status: Pick<ContainerStatus, 'allocatedResources' | 'resources'> | undefined,
  infeasible: boolean,
): ResourceRequirements | undefined {
  const asked = written?.requests ?? {};
  const granted = status?.allocatedResources;
  if (!granted) return written;
  const enforced = status.resources?.requests ?? {};
  const requests = infeasible ? larger(granted, enforced) : larger(asked, granted, enforced);
  return sameAmounts(requests, asked) ? written : { ...written, requests };
}

function larger(...lists: Requests[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, text] of lists.flatMap((list) => Object.entries(list))) {
    const known = result[name];
    const less = known !== undefined && known !== text && compare(known, text) < 0;
    if (known === undefined || less) result[name] = text;
  }
  return result;
}

function sameAmounts(one: Requests, other: Requests): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function compare(one: string, other: string): number {
  return compareQuantities(parseQuantity(one), parseQuantity(other));
}
