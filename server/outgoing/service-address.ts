import type { Random } from '../../lib/random.ts';
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../protocol/generated/models.ts';
import { endpointSliceKind } from '../../protocol/kinds/endpoint-slice.ts';
import { serviceKind } from '../../protocol/kinds/service.ts';
import type { Cache } from '../cache/informer.ts';

/**
 * Where this server reaches a Service that a webhook or an APIService names. It is in no cluster network, so a
 * cluster IP means nothing to it: it dials a ready address of the Service's EndpointSlices, or the host that an
 * ExternalName names. The certificate must be for `<name>.<namespace>.svc` either way.
 */
export type ServiceAddresses = (service: ServiceName) => ServiceAddress;

export interface ServiceName {
  namespace: string;
  name: string;
  port: number;
}

export interface ServiceAddress {
  host: string;
  port: number;
  /** Whom the certificate must name. */
  serverName: string;
}

/** The reasons of an APIService's condition, which say the same. */
export type ServiceFault = 'ServiceNotFound' | 'ServicePortError' | 'EndpointsNotFound' | 'MissingEndpoints';

export class ServiceAddressError extends Error {
  readonly code: ServiceFault;

  constructor(code: ServiceFault, message: string) {
    super(message);
    this.name = 'ServiceAddressError';
    this.code = code;
  }
}

const slicesOfService = 'outgoing/service';

/** Throws ServiceAddressError. The cache must have synced before the first look-up. */
export function followServiceAddresses(cache: Cache, random: Random): ServiceAddresses {
  const services = cache.informer(serviceKind);
  const slices = cache.informer(endpointSliceKind);
  slices.addIndex(slicesOfService, ({ metadata }) => {
    const service = metadata?.labels?.['kubernetes.io/service-name'];
    return service === undefined ? [] : [`${metadata?.namespace ?? ''}/${service}`];
  });
  return (wanted) => {
    const { namespace, name } = wanted;
    const service = services.get(namespace, name);
    if (!service)
      throw new ServiceAddressError('ServiceNotFound', `service/${name} in "${namespace}" is not present`);
    const serverName = `${name}.${namespace}.svc`;
    const { type, externalName = '' } = service.spec ?? {};
    if (type === 'ExternalName') return { host: externalName, port: wanted.port, serverName };
    const port = portOf(service, wanted);
    const found = readyAddresses(slices.byIndex(slicesOfService, `${namespace}/${name}`), port, wanted);
    const chosen = found[Math.floor(random.fraction() * found.length)] ?? found[0];
    if (!chosen) throw new TypeError('no address was found, and none was missed');
    return { ...chosen, serverName };
  };
}

function portOf(service: Readonly<Service>, { namespace, name, port }: ServiceName): ServicePort {
  const found = service.spec?.ports?.find((candidate) => candidate.port === port);
  if (found) return found;
  throw new ServiceAddressError(
    'ServicePortError',
    `service/${name} in "${namespace}" is not listening on port ${port}`,
  );
}

function readyAddresses(
  slices: readonly Readonly<EndpointSlice>[],
  { name: portName = '' }: ServicePort,
  { namespace, name }: ServiceName,
): { host: string; port: number }[] {
  if (slices.length === 0)
    throw new ServiceAddressError(
      'EndpointsNotFound',
      `cannot find endpointslices for service/${name} in "${namespace}"`,
    );
  const found = slices.flatMap(({ endpoints = [], ports = [] }) => {
    const port = ports.find((candidate) => (candidate.name ?? '') === portName)?.port;
    if (port === undefined) return [];
    return endpoints.filter(isReady).flatMap(({ addresses }) => addresses.map((host) => ({ host, port })));
  });
  if (found.length > 0) return found;
  throw new ServiceAddressError(
    'MissingEndpoints',
    `endpointslices for service/${name} in "${namespace}" have no addresses with port name "${portName}"`,
  );
}

function isReady({ conditions }: Endpoint): boolean {
  return conditions?.ready !== false;
}
