import type {
  Endpoint,
  EndpointAddress,
  EndpointSubset,
  Endpoints,
} from '../../../protocol/generated/models.ts';
import { parseIp } from '../../../protocol/ip-address.ts';
import { endpointSliceKind } from '../../../protocol/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../../protocol/kinds/endpoints.ts';
import { serviceKind } from '../../../protocol/kinds/service.ts';
import { controllerReference, objectKey, splitKey } from '../../../protocol/kinds/stored-object.ts';
import { defineController } from '../define-controller.ts';
import { WriteFence } from '../write-fence.ts';
import { type EndpointGroup, planSlices, type SliceMeta } from './plan-slices.ts';
import { managedByLabel, serviceNameLabel } from './service-slices.ts';
import { bySliceOwner, followSlices } from './slice-owners.ts';
import { writeSlices } from './write-slices.ts';

const manager = 'endpointslicemirroring-controller.k8s.io';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const unmirrored = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'endpoints.kubernetes.io/last-change-trigger-time',
  'endpoints.kubernetes.io/over-capacity',
];
/** Of each subset, as Kubernetes. */
const addressesPerSubsetMax = 1000;

/** Shows the Endpoints that people write for services without a selector as EndpointSlices. */
export const endpointsMirroringController = defineController({
  name: 'endpointslicemirroring',
  workers: 2,
  setup({ registry, cache, follow }, enqueue) {
    const services = cache.informer(serviceKind);
    const endpoints = cache.informer(endpointsKind);
    const slices = cache.informer(endpointSliceKind);
    const fence = new WriteFence(slices);
    follow(services, ({ object }) => enqueue(objectKey(object)));
    follow(endpoints, ({ object }) => enqueue(objectKey(object)));
    followSlices({ follow }, slices, { manager, enqueue });
    return async (key) => {
      if (!fence.isOpen(key)) return WriteFence.retry;
      const { namespace = '', name } = splitKey(key);
      const source = endpoints.get(namespace, name);
      const service = services.get(namespace, name);
      const own = slices.byIndex(bySliceOwner, `${manager} ${key}`);
      const isMirrored = source && service && isWritten(source) && !service.spec?.selector;
      if (!isMirrored && own.length === 0) return fence.forget(key);
      const meta = isMirrored ? metaOf(source, name) : { labels: {} };
      const plan = planSlices(isMirrored ? mirrorGroups(source) : [], own, meta);
      const reference = controllerReference(endpointsKind, source ?? { metadata: { name, uid: '' } });
      await writeSlices(registry, fence, plan, { key, namespace, name, meta, reference });
    };
  },
});

function isWritten({ metadata }: Readonly<Endpoints>): boolean {
  return (
    metadata?.labels?.[skipLabel] !== 'true' &&
    metadata?.annotations?.[leaderAnnotation] === undefined &&
    metadata?.deletionTimestamp === undefined
  );
}

function metaOf({ metadata }: Readonly<Endpoints>, service: string): SliceMeta {
  const annotations = Object.entries(metadata?.annotations ?? {}).filter(
    ([key]) => !unmirrored.includes(key),
  );
  return {
    labels: { ...metadata?.labels, [serviceNameLabel]: service, [managedByLabel]: manager },
    ...(annotations.length > 0 ? { annotations: Object.fromEntries(annotations) } : {}),
  };
}

/** One group for each subset and address family that it has. */
export function mirrorGroups({ subsets = [] }: Readonly<Endpoints>): EndpointGroup[] {
  const groups = subsets.flatMap((subset) =>
    (['IPv4', 'IPv6'] as const).map((addressType) => ({
      addressType,
      ports: (subset.ports ?? []).map(({ name = '', port, protocol = 'TCP', appProtocol }) => {
        return { name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) };
      }),
      endpoints: mirrorAddresses(subset, addressType === 'IPv4' ? 4 : 6),
    })),
  );
  const filled = groups.filter(({ endpoints }) => endpoints.length > 0);
  const byPorts = Map.groupBy(filled, ({ addressType, ports }) => JSON.stringify([addressType, ports]));
  return [...byPorts.values()].flatMap((same) => {
    const [first] = same;
    return first ? [{ ...first, endpoints: same.flatMap(({ endpoints }) => endpoints) }] : [];
  });
}

function mirrorAddresses(
  { addresses = [], notReadyAddresses = [] }: EndpointSubset,
  family: 4 | 6,
): Endpoint[] {
  const mirror = (ready: boolean) => (address: EndpointAddress) => endpointFor(address, ready);
  return [...addresses.map(mirror(true)), ...notReadyAddresses.map(mirror(false))]
    .slice(0, addressesPerSubsetMax)
    .filter(({ addresses: [ip = ''] }) => parseIp(ip)?.family === family);
}

function endpointFor({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}
