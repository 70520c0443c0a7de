import type { Pod, Service } from '../../protocol/generated/models.ts';

export interface ServiceSources {
  /** Those that the server has told of, in its namespace. */
  services: (namespace: string) => readonly Service[];
  /**
   * Where a pod finds the API, undefined while that is not known. What shares the device's network reaches what the
   * device does.
   */
  apiServer: (podUid: string, how: { sharesHost: boolean }) => { host: string; port: number } | undefined;
}

/**
 * How a pod is told of services that are known when its container starts: of the API always, of those of its own namespace
 * unless it does not want to be (source: kubelet, getServiceEnvVarMap and envvars.FromServices). Nothing on the device
 * leads to the address of the service `kubernetes`, so that the variables name where the server really is.
 */
export function serviceVariables(
  { metadata, spec }: Pod,
  sources: ServiceSources,
  how: { sharesHost: boolean },
): [string, string][] {
  const namespace = metadata?.namespace ?? '';
  const own = spec?.enableServiceLinks === false ? [] : sources.services(namespace);
  const api = sources.apiServer(metadata?.uid ?? '', how);
  const others = own.filter(({ metadata: other }) => namespace !== 'default' || other?.name !== 'kubernetes');
  return [...(api ? [apiService(api)] : []), ...others].flatMap(variablesOf);
}

function apiService({ host, port }: { host: string; port: number }): Service {
  return { metadata: { name: 'kubernetes' }, spec: { clusterIP: host, ports: [{ name: 'https', port }] } };
}

function variablesOf({ metadata, spec }: Service): [string, string][] {
  const { clusterIP = '', ports = [] } = spec ?? {};
  const [first] = ports;
  if (!first || clusterIP === '' || clusterIP === 'None') return [];
  const name = variableName(metadata?.name ?? '');
  const named = ports.filter((port) => port.name);
  return [
    [`${name}_SERVICE_HOST`, clusterIP],
    [`${name}_SERVICE_PORT`, String(first.port)],
    ...named.map((port): [string, string] => [
      `${name}_SERVICE_PORT_${variableName(port.name ?? '')}`,
      String(port.port),
    ]),
    [`${name}_PORT`, url(clusterIP, first)],
    ...ports.flatMap((port): [string, string][] => {
      const protocol = protocolOf(port);
      const prefix = `${name}_PORT_${port.port}_${protocol.toUpperCase()}`;
      return [
        [prefix, url(clusterIP, port)],
        [`${prefix}_PROTO`, protocol],
        [`${prefix}_PORT`, String(port.port)],
        [`${prefix}_ADDR`, clusterIP],
      ];
    }),
  ];
}

type Port = NonNullable<NonNullable<Service['spec']>['ports']>[number];

function url(address: string, port: Port): string {
  return `${protocolOf(port)}://${address.includes(':') ? `[${address}]` : address}:${port.port}`;
}

function protocolOf({ protocol = 'TCP' }: Port): string {
  return protocol.toLowerCase();
}

/** A name of DNS may begin with a digit, a variable's may not. */
function variableName(name: string): string {
  const upper = name.replaceAll(/[-.]/g, '_').toUpperCase();
  return /^\d/.test(upper) ? `_${upper}` : upper;
}
