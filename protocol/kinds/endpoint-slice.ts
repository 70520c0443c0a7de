import type { DiscoveryEndpointPort, Endpoint, EndpointSlice } from '../generated/models.ts';
import { parseIp } from '../ip-address.ts';
import type { StatusCause } from '../status.ts';
import { validateEndpointIp } from './address-rules.ts';
import { duplicate, immutable, invalid, invalidFor, oneOf, required, tooMany } from './cause.ts';
import { ageColumn, firstOf, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain, qualifiedDomainName, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

const addressTypes = ['FQDN', 'IPv4', 'IPv6'];
const addressesMax = 100;
const portsMax = 20_000;
const endpointsMax = 1000;
const unset = '<unset>';

export const endpointSliceKind = defineKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  singular: 'endpointslice',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.discovery.v1.EndpointSlice',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('AddressType', 'What its addresses are.', ({ addressType }) => addressType ?? ''),
    textColumn('Ports', 'Ports of each endpoint.', ({ ports }) =>
      firstOf(
        (ports ?? []).map(({ port }) => String(port ?? '*')),
        unset,
      ),
    ),
    textColumn('Endpoints', 'Their addresses.', ({ endpoints }) =>
      firstOf(
        (endpoints ?? []).flatMap(({ addresses }) => addresses ?? []),
        unset,
      ),
    ),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: ({ addressType, endpoints, ports }) => ({ addressType, endpoints, ports }),

  applyDefaults(slice) {
    slice.endpoints ??= [];
    for (const port of slice.ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  validate: (slice) => [
    ...validateObjectMeta(slice, dnsSubdomain),
    ...oneOf('addressType', slice.addressType, addressTypes),
    ...validateEndpoints(slice),
    ...validatePorts(slice.ports ?? []),
  ],
  validateUpdate: (next, old) => immutable('addressType', next.addressType, old.addressType),
});

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/discovery/validation. */
function validateEndpoints({ endpoints = [], addressType }: EndpointSlice): StatusCause[] {
  if (endpoints.length > endpointsMax) return [tooMany('endpoints', endpoints.length, endpointsMax)];
  return endpoints.flatMap((endpoint, index) =>
    validateEndpoint(endpoint, addressType, `endpoints[${index}]`),
  );
}

function validateEndpoint(
  { addresses = [], hostname, nodeName }: Partial<Endpoint>,
  type: string,
  field: string,
): StatusCause[] {
  const path = `${field}.addresses`;
  const causes: StatusCause[] = [];
  if (addresses.length === 0) causes.push(required(path, 'must contain at least 1 address'));
  if (addresses.length > addressesMax) causes.push(tooMany(path, addresses.length, addressesMax));
  addresses.forEach((address, index) => {
    const at = `${path}[${index}]`;
    const family = parseIp(address)?.family;
    if (type === 'IPv4' && family !== 4) causes.push(invalid(at, address, 'must be a valid IPv4 address'));
    if (type === 'IPv6' && family !== 6) causes.push(invalid(at, address, 'must be a valid IPv6 address'));
    if (type !== 'FQDN') causes.push(...validateEndpointIp(at, address));
    else if (address === '') causes.push(required(at));
    else causes.push(...invalidFor(at, address.replace(/\.$/, ''), qualifiedDomainName(address)));
  });
  if (nodeName !== undefined)
    causes.push(...invalidFor(`${field}.nodeName`, nodeName, dnsSubdomain(nodeName)));
  if (hostname !== undefined) causes.push(...invalidFor(`${field}.hostname`, hostname, dnsLabel(hostname)));
  return causes;
}

function validatePorts(ports: readonly DiscoveryEndpointPort[]): StatusCause[] {
  if (ports.length > portsMax) return [tooMany('ports', ports.length, portsMax)];
  const names = new Set<string>();
  return ports.flatMap(({ name = '', protocol, appProtocol }, index) => {
    const path = `ports[${index}]`;
    const causes = name === '' ? [] : invalidFor(`${path}.name`, name, dnsLabel(name));
    if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
    names.add(name);
    causes.push(...oneOf(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']));
    if (appProtocol !== undefined) {
      causes.push(...invalidFor(`${path}.appProtocol`, appProtocol, qualifiedName(appProtocol)));
    }
    return causes;
  });
}
