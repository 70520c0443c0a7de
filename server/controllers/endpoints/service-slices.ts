import type { Endpoint, Pod, Service } from '../../../protocol/generated/models.ts';
import { isHeadless } from '../../../protocol/kinds/service-fields.ts';
import type { EndpointGroup, SliceMeta } from './plan-slices.ts';
import { endpointOf, type Family, type PodEndpoint } from './pod-endpoint.ts';

export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const headlessLabel = 'service.kubernetes.io/headless';
export const sliceManager = 'endpointslice-controller.k8s.io';

/** What is known of the nodes that pods are on. */
export interface NodeKnowledge {
  zoneOf: (node: string) => string | undefined;
  isSilent: (node: string) => boolean;
}

/** The endpoints of a service as its pods make them (source: k8s.io/endpointslice). */
export function groupsOf(
  service: Readonly<Service>,
  pods: readonly Readonly<Pod>[],
  nodes: NodeKnowledge,
): EndpointGroup[] {
  return familiesOf(service).flatMap((family) => {
    const found = pods.flatMap(
      (pod) => endpointOf(pod, service, { family, silent: isOnSilent(pod, nodes) }) ?? [],
    );
    if (found.length === 0) return [{ addressType: family, ports: [], endpoints: [] }];
    const byPorts = Map.groupBy(found, ({ ports }) => JSON.stringify(ports));
    return [...byPorts.values()].map((members) => ({
      addressType: family,
      ports: members[0]?.ports ?? [],
      endpoints: members.map((member) => describe(member, nodes.zoneOf)),
    }));
  });
}

export function familiesOf({ spec }: Readonly<Service>): Family[] {
  const families = (spec?.ipFamilies ?? []).filter((family) => family === 'IPv4' || family === 'IPv6');
  return families.length > 0 ? families : ['IPv4'];
}

/** The service's own labels, and what tells whose slice it is. */
export function sliceMetaOf(service: Readonly<Service>): SliceMeta {
  const { name = '', labels = {} } = service.metadata ?? {};
  const reserved = [serviceNameLabel, managedByLabel, headlessLabel];
  const own = Object.entries(labels).filter(([key]) => !reserved.includes(key));
  return {
    labels: {
      ...Object.fromEntries(own),
      [serviceNameLabel]: name,
      [managedByLabel]: sliceManager,
      ...(isHeadless(service.spec ?? {}) ? { [headlessLabel]: '' } : {}),
    },
  };
}

export function isOnSilent({ spec }: Readonly<Pod>, { isSilent }: Pick<NodeKnowledge, 'isSilent'>): boolean {
  return spec?.nodeName !== undefined && isSilent(spec.nodeName);
}

function describe(endpoint: PodEndpoint, zoneOf: (node: string) => string | undefined): Endpoint {
  const { address, ready, serving, terminating, nodeName, hostname, pod } = endpoint;
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  return {
    addresses: [address],
    conditions: { ready, ...(serving === undefined ? {} : { serving }), terminating },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(zone === undefined ? {} : { zone }),
    targetRef: { kind: 'Pod', ...pod },
  };
}
