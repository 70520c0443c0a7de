import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';

/** Endpoints that share their ports, and so their slices. */
export interface EndpointGroup {
  addressType: string;
  ports: DiscoveryEndpointPort[];
  endpoints: Endpoint[];
}

/** What every slice of one owner says of itself. */
export interface SliceMeta {
  labels: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface SlicePlan {
  create: EndpointGroup[];
  update: { slice: Readonly<EndpointSlice>; ports: DiscoveryEndpointPort[]; endpoints: Endpoint[] }[];
  remove: Readonly<EndpointSlice>[];
}

/** As Kubernetes: watchers of a slice get all of it whenever one endpoint changes. */
export const endpointsPerSliceMax = 100;

interface Draft {
  slice: Readonly<EndpointSlice>;
  endpoints: Endpoint[];
  isChanged: boolean;
}

/**
 * Steps from the slices there are to slices that hold `groups`: what is right stays where it is, what is new goes into
 * slices that change anyway, then into one with room, then into new ones. An address type without any endpoint keeps
 * one empty slice, so that readers see that there are none.
 */
export function planSlices(
  groups: readonly EndpointGroup[],
  existing: readonly Readonly<EndpointSlice>[],
  meta: SliceMeta,
): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [] };
  const left = new Set(existing);
  for (const group of groups) {
    const own = existing.filter((slice) => left.has(slice) && holdsGroup(slice, group));
    for (const slice of own) left.delete(slice);
    planGroup(plan, { group, own, meta });
  }
  reuse(plan, [...left]);
  return plan;
}

function holdsGroup(slice: Readonly<EndpointSlice>, { addressType, ports }: EndpointGroup): boolean {
  return slice.addressType === addressType && sameValue(slice.ports ?? [], ports);
}

function planGroup(
  plan: SlicePlan,
  { group, own, meta }: { group: EndpointGroup; own: readonly Readonly<EndpointSlice>[]; meta: SliceMeta },
): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [keyOf(endpoint), endpoint]));
  const drafts = own.map((slice) => keepWanted(slice, wanted, meta));
  let rest = [...wanted.values()];
  for (const draft of drafts) if (draft.isChanged) rest = fill(draft, rest);
  if (rest.length > 0) {
    const roomy = drafts.find(({ isChanged, endpoints }) => {
      return !isChanged && endpoints.length + rest.length <= endpointsPerSliceMax;
    });
    if (roomy) rest = fill(roomy, rest);
  }
  while (rest.length > 0) {
    plan.create.push({ ...group, endpoints: rest.splice(0, endpointsPerSliceMax) });
  }
  const isEmptyGroup = group.endpoints.length === 0;
  drafts.forEach(({ slice, endpoints, isChanged }, index) => {
    if (endpoints.length === 0 && !(isEmptyGroup && index === 0)) plan.remove.push(slice);
    else if (isChanged) plan.update.push({ slice, ports: group.ports, endpoints });
  });
  if (isEmptyGroup && drafts.length === 0) plan.create.push({ ...group, endpoints: [] });
}

/** Takes what the slice holds out of `wanted`. */
function keepWanted(slice: Readonly<EndpointSlice>, wanted: Map<string, Endpoint>, meta: SliceMeta): Draft {
  const before = slice.endpoints ?? [];
  const endpoints = before.flatMap((endpoint) => {
    const key = keyOf(endpoint);
    const now = wanted.get(key);
    wanted.delete(key);
    return now ?? [];
  });
  const isChanged = !sameValue(before, endpoints) || !saysOfItself(slice, meta);
  return { slice, endpoints, isChanged };
}

export function saysOfItself(
  { metadata }: Readonly<EndpointSlice>,
  { labels, annotations = {} }: SliceMeta,
): boolean {
  return (
    sameValue(metadata?.labels ?? {}, labels) &&
    Object.entries(annotations).every(([key, value]) => metadata?.annotations?.[key] === value)
  );
}

/** Returns what found no room. */
function fill(draft: Draft, endpoints: readonly Endpoint[]): Endpoint[] {
  const room = endpointsPerSliceMax - draft.endpoints.length;
  if (room <= 0 || endpoints.length === 0) return [...endpoints];
  draft.endpoints.push(...endpoints.slice(0, room));
  draft.isChanged = true;
  return endpoints.slice(room);
}

/** A slice that goes and one that comes, of one address type, are one change. */
function reuse(plan: SlicePlan, spare: readonly Readonly<EndpointSlice>[]): void {
  for (const slice of spare) {
    const at = plan.create.findIndex(({ addressType }) => addressType === slice.addressType);
    const [group] = at < 0 ? [] : plan.create.splice(at, 1);
    if (group) plan.update.push({ slice, ports: group.ports, endpoints: group.endpoints });
    else plan.remove.push(slice);
  }
}

function keyOf({ targetRef, addresses, hostname = '' }: Readonly<Endpoint>): string {
  return targetRef?.uid ?? `${addresses.join()} ${hostname}`;
}
