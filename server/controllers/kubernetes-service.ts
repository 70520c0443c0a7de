import type { EndpointSlice, Endpoints, Service } from '../../protocol/generated/models.ts';
import { parseIp } from '../../protocol/ip-address.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { endpointSliceKind } from '../../protocol/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../protocol/kinds/endpoints.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import { serviceCidrKind } from '../../protocol/kinds/service-cidr.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';
import { type ControllerDefinition, defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';

/** Where the API is, and what pods call it. */
export interface ServerPlace {
  /** An address that nodes reach. */
  address: string;
  port: number;
  /** One of each family that services have; the service gets the first. */
  clusterIps: readonly string[];
  /** CIDRs that services get their addresses from. */
  networks: readonly string[];
}

const at = { namespace: 'default', name: 'kubernetes' };
const labels = { component: 'apiserver', provider: 'kubernetes' };
const skipMirror = 'endpointslice.kubernetes.io/skip-mirror';

/** Keeps the service `kubernetes`, by which pods reach the API, its endpoints, and the ServiceCIDR of the same name. */
export function kubernetesServiceController(place: ServerPlace): ControllerDefinition {
  return defineController({
    name: 'kubernetes-service',
    workers: 1,
    setup({ registry, cache, clock, follow }, enqueue) {
      const own = <T extends KubernetesObject>({ object }: { object: Readonly<T> }) => {
        if (object.metadata?.name === at.name) enqueue('kubernetes');
      };
      follow(cache.informer(serviceKind), own);
      follow(cache.informer(endpointsKind), own);
      follow(cache.informer(endpointSliceKind), own);
      follow(cache.informer(serviceCidrKind), own);
      enqueue('kubernetes');
      return async () => {
        await keepNetwork(registry, place, timestamp(clock.now()));
        await createOnce(registry, serviceKind, serviceOf(place));
        const endpoints = endpointsOf(place);
        await keep(registry, endpointsKind, endpoints, ['subsets']);
        await keep(registry, endpointSliceKind, sliceOf(place), ['endpoints', 'ports']);
      };
    },
  });
}

function serviceOf({ clusterIps, port }: ServerPlace): Service {
  return {
    metadata: { ...at, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIps[0] ?? '',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }],
    },
  };
}

function endpointsOf({ address, port }: ServerPlace): Endpoints {
  return {
    metadata: { ...at, labels: { [skipMirror]: 'true' } },
    subsets: [{ addresses: [{ ip: address }], ports: [{ name: 'https', port, protocol: 'TCP' }] }],
  };
}

function sliceOf({ address, port }: ServerPlace): EndpointSlice {
  return {
    metadata: { ...at, labels: { 'kubernetes.io/service-name': at.name } },
    addressType: parseIp(address)?.family === 6 ? 'IPv6' : 'IPv4',
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
    ports: [{ name: 'https', port, protocol: 'TCP' }],
  };
}

/** The networks are what the server was started with, whatever the object said before. */
async function keepNetwork(registry: Registry, { networks }: ServerPlace, now: string): Promise<void> {
  const { name } = at;
  const spec = { cidrs: [...networks] };
  const current = await createOnce(registry, serviceCidrKind, { metadata: { name }, spec });
  if (!sameValue(current?.spec, spec)) {
    await registry.delete(serviceCidrKind, { name }).catch(ignoreGone);
    return;
  }
  if (current?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return;
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: '',
    message: 'Kubernetes Service CIDR is ready',
    lastTransitionTime: now,
  };
  const change = (draft: NonNullable<typeof current>) => void (draft.status = { conditions: [ready] });
  await registry.mutate(serviceCidrKind, { name }, change, { subresource: 'status' }).catch(ignoreGone);
}

async function keep<T extends KubernetesObject>(
  registry: Registry,
  kind: KindDefinition<T>,
  wanted: NoInfer<T>,
  fields: readonly (keyof T)[],
): Promise<void> {
  const current = await createOnce(registry, kind, wanted);
  if (!current || fields.every((field) => sameValue(current[field], wanted[field]))) return;
  await registry
    .mutate(kind, at, (draft) => {
      for (const field of fields) draft[field] = wanted[field];
    })
    .catch(ignoreGone);
}

/** The object as it is there. */
async function createOnce<T extends KubernetesObject>(
  registry: Registry,
  kind: KindDefinition<T>,
  object: NoInfer<T>,
): Promise<T | undefined> {
  const { name, namespace } = { namespace: undefined, name: at.name, ...object.metadata };
  const where = namespace === undefined ? { name } : { name, namespace };
  try {
    return await registry.get(kind, where);
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
    return registry.create(kind, object);
  }
}
