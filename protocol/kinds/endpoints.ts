import type { EndpointSubset, Endpoints } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { validateEndpointIp, validateIp } from './address-rules.ts';
import { invalidFor, oneOf, required } from './cause.ts';
import { ageColumn, firstOf, nameColumn, none, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain, portNumber, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const endpointsKind = defineKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  singular: 'endpoints',
  shortNames: ['ep'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Endpoints',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('Endpoints', 'Addresses that are ready, with their ports.', ({ subsets = [] }) =>
      firstOf(subsets.flatMap(readyOf), none),
    ),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults({ subsets = [] }) {
    for (const port of subsets.flatMap(({ ports = [] }) => ports)) port.protocol ||= 'TCP';
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...(object.subsets ?? []).flatMap((subset, index) => validateSubset(subset, `subsets[${index}]`)),
  ],
});

function readyOf({ addresses = [], ports = [] }: EndpointSubset): string[] {
  if (ports.length === 0) return addresses.map(({ ip }) => ip);
  return ports.flatMap(({ port }) =>
    addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)),
  );
}

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, validateEndpointSubsets. */
function validateSubset(subset: EndpointSubset, field: string): StatusCause[] {
  const { addresses = [], notReadyAddresses = [], ports = [] } = subset;
  const causes: StatusCause[] = [];
  if (addresses.length + notReadyAddresses.length === 0) {
    causes.push(required(field, 'must specify `addresses` or `notReadyAddresses`'));
  }
  for (const list of ['addresses', 'notReadyAddresses'] as const) {
    (subset[list] ?? []).forEach(({ ip, hostname, nodeName }, index) => {
      const path = `${field}.${list}[${index}]`;
      causes.push(...validateIp(`${path}.ip`, ip));
      if (hostname) causes.push(...invalidFor(`${path}.hostname`, hostname, dnsLabel(hostname)));
      if (nodeName !== undefined)
        causes.push(...invalidFor(`${path}.nodeName`, nodeName, dnsSubdomain(nodeName)));
      causes.push(...validateEndpointIp(`${path}.ip`, ip));
    });
  }
  ports.forEach(({ name, port, protocol, appProtocol }, index) => {
    const path = `${field}.ports[${index}]`;
    if (name) causes.push(...invalidFor(`${path}.name`, name, dnsLabel(name)));
    else if (ports.length > 1) causes.push(required(`${path}.name`));
    causes.push(
      ...invalidFor(`${path}.port`, port ?? 0, portNumber(port ?? 0)),
      ...oneOf(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
    );
    if (appProtocol !== undefined)
      causes.push(...invalidFor(`${path}.appProtocol`, appProtocol, qualifiedName(appProtocol)));
  });
  return causes;
}
