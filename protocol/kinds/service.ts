import type { Service, ServicePort, ServiceSpec } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import {
  duplicate,
  forbidden,
  invalid,
  invalidFor,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  tooMany,
} from './cause.ts';
import { ageColumn, labelsText, nameColumn, none } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import {
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  isIpAddress,
  portNumber,
  portReference,
} from './name-rules.ts';
import { validateLabels, validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { carryAllocated, hasHealthCheckPort } from './service-fields.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const affinitySecondsDefault = 3 * 60 * 60;

export const serviceKind = defineKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Service',
  verbs: allVerbs,
  subresources: ['proxy', 'status'],
  columns: [
    nameColumn,
    {
      name: 'Type',
      type: 'string',
      description: 'How far the service can be reached.',
      value: ({ spec }) => spec?.type ?? '',
    },
    {
      name: 'Cluster-IP',
      type: 'string',
      description: 'Its address inside the cluster.',
      value: ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || none,
    },
    {
      name: 'External-IP',
      type: 'string',
      description: 'Its addresses outside the cluster.',
      value: externalAddress,
    },
    {
      name: 'Port(s)',
      type: 'string',
      description: 'Ports and protocols it takes.',
      value: ({ spec }) => (spec?.ports ?? []).map(portText).join(',') || none,
    },
    ageColumn,
    {
      name: 'Selector',
      type: 'string',
      priority: 1,
      description: 'Labels of the pods behind it.',
      value: ({ spec }) => labelsText(spec?.selector),
    },
  ],
  selectableFields: {
    'spec.clusterIP': ({ spec }) => spec?.clusterIP ?? '',
    'spec.type': ({ spec }) => spec?.type ?? '',
  },
  generationOf: false,

  applyDefaults(service) {
    defaultSpec((service.spec ??= {}));
    service.status ??= {};
    service.status.loadBalancer ??= {};
  },
  prepareCreate(service) {
    service.status = { loadBalancer: {} };
    const { spec } = service;
    if (spec?.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  },
  prepareUpdate(next, old, context) {
    separateStatus(next, old, context);
    carryAllocated((next.spec ??= {}), old.spec ?? {});
  },
  validate: (service) => [...validateObjectMeta(service, dns1035Label), ...validateSpec(service.spec ?? {})],
  validateUpdate: (next, old) => {
    const before = old.spec?.clusterIP ?? '';
    const after = next.spec?.clusterIP ?? '';
    const named = next.spec?.type === 'ExternalName' || old.spec?.type === 'ExternalName';
    if (named || before === '' || before === after) return [];
    return [invalid('spec.clusterIPs[0]', next.spec?.clusterIPs ?? [after], 'may not change once set')];
  },
});

/** Source: k8s.io/kubernetes/pkg/apis/core/v1, SetDefaults_Service. Addresses are given out elsewhere. */
function defaultSpec(spec: ServiceSpec): void {
  spec.sessionAffinity ||= 'None';
  spec.type ||= 'ClusterIP';
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig ??= {};
    spec.sessionAffinityConfig.clientIP ??= {};
    spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= affinitySecondsDefault;
  }
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    port.targetPort ||= port.port;
  }
  if (spec.type === 'ExternalName') return;
  spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'NodePort' || spec.type === 'LoadBalancer') spec.externalTrafficPolicy ||= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
}

function externalAddress({ spec = {}, status }: Service): string {
  const external = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ExternalName':
      return spec.externalName ?? '';
    case 'LoadBalancer': {
      const assigned = (status?.loadBalancer?.ingress ?? []).map(
        ({ ip, hostname }) => ip || (hostname ?? ''),
      );
      return [...assigned.sort(), ...external].join(',') || '<pending>';
    }
    case undefined:
    default:
      return external.join(',') || none;
  }
}

function portText({ port, nodePort, protocol }: ServicePort): string {
  return nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`;
}

function validateSpec(spec: ServiceSpec): StatusCause[] {
  const ports = spec.ports ?? [];
  const portless = spec.clusterIP === 'None' || spec.type === 'ExternalName';
  return [
    ...oneOf('spec.type', spec.type, types),
    ...oneOf('spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']),
    ...optionalOneOf('spec.externalTrafficPolicy', spec.externalTrafficPolicy, ['Cluster', 'Local']),
    ...optionalOneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, ['Cluster', 'Local']),
    ...(ports.length === 0 && !portless ? [required('spec.ports')] : []),
    ...validatePorts(ports, spec, 'spec.ports'),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateAddresses(spec),
  ];
}

function validateAddresses(spec: ServiceSpec): StatusCause[] {
  const { type, externalName = '', externalIPs = [], healthCheckNodePort } = spec;
  const causes: StatusCause[] = [];
  if (type === 'ExternalName') {
    const name = externalName.replace(/\.$/, '');
    causes.push(
      ...(name === ''
        ? [required('spec.externalName')]
        : invalidFor('spec.externalName', externalName, dnsSubdomain(name))),
    );
  }
  externalIPs.forEach((address, index) => {
    if (!isIpAddress(address)) causes.push(invalid(`spec.externalIPs[${index}]`, address, addressFault));
  });
  if (healthCheckNodePort && !hasHealthCheckPort(spec)) {
    const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    causes.push(invalid('spec.healthCheckNodePort', healthCheckNodePort, detail));
  }
  return [...causes, ...validateClusterIps(spec)];
}

const addressFault = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const families = ['IPv4', 'IPv6'];
const familyPolicies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateServiceClusterIPsRelatedFields. */
function validateClusterIps(spec: ServiceSpec): StatusCause[] {
  const { type, clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  if (type === 'ExternalName') {
    const forbiddenFields = [
      ...(clusterIPs.length > 0 ? ['clusterIPs'] : []),
      ...(ipFamilies.length > 0 ? ['ipFamilies'] : []),
      ...(ipFamilyPolicy === undefined ? [] : ['ipFamilyPolicy']),
    ];
    return forbiddenFields.map((name) =>
      forbidden(`spec.${name}`, 'may not be set for ExternalName services'),
    );
  }
  const causes: StatusCause[] = [
    ...optionalOneOf(policyField, ipFamilyPolicy, familyPolicies),
    ...ipFamilies.flatMap((family, index) => [
      ...(families.includes(family) ? [] : [notSupported(`spec.ipFamilies[${index}]`, family, families)]),
      ...(ipFamilies.indexOf(family) < index ? [duplicate(`spec.ipFamilies[${index}]`, family)] : []),
    ]),
  ];
  if (ipFamilies.length > 2) causes.push(tooMany('spec.ipFamilies', ipFamilies.length, 2));
  if (clusterIPs.length > 2) causes.push(tooMany('spec.clusterIPs', clusterIPs.length, 2));
  const [first] = clusterIPs;
  if (clusterIP === '' && first !== undefined) {
    causes.push(invalid('spec.clusterIPs', clusterIPs, 'must be empty when `clusterIP` is not specified'));
  } else if (first !== undefined && first !== clusterIP) {
    causes.push(invalid('spec.clusterIPs[0]', clusterIPs, 'must match `clusterIP`'));
  }
  if (clusterIPs.includes('None') && clusterIPs.length > 1) {
    causes.push(invalid('spec.clusterIPs', clusterIPs, "'None' must be the first and only value"));
  }
  clusterIPs.forEach((address, index) => {
    if (address === 'None') return;
    const at = `spec.clusterIPs[${index}]`;
    const family = ipFamilies[index];
    if (!isIpAddress(address)) causes.push(invalid(at, address, addressFault));
    else if (family !== undefined && family !== familyOf(address)) {
      causes.push(
        invalid(at, address, `expected an ${family} value as indicated by \`ipFamilies[${index}]\``),
      );
    }
  });
  if (
    clusterIPs.length === 2 &&
    clusterIPs.every(isIpAddress) &&
    new Set(clusterIPs.map(familyOf)).size < 2
  ) {
    const detail = 'may specify no more than one IP for each IP family';
    causes.push(invalid('spec.clusterIPs', clusterIPs, detail));
  }
  return causes;
}

const policyField = 'spec.ipFamilyPolicy';

function familyOf(address: string): string {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

function validatePorts(ports: readonly ServicePort[], spec: ServiceSpec, field: string): StatusCause[] {
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  return ports.flatMap(({ name, port, protocol, targetPort, nodePort }, index) => {
    const path = `${field}[${index}]`;
    const causes: StatusCause[] = [];
    if (name) causes.push(...invalidFor(`${path}.name`, name, dnsLabel(name)));
    else if (ports.length > 1) causes.push(required(`${path}.name`));
    if (name && names.has(name)) causes.push(duplicate(`${path}.name`, name));
    if (name) names.add(name);
    causes.push(
      ...invalidFor(`${path}.port`, port ?? 0, portNumber(port ?? 0)),
      ...oneOf(`${path}.protocol`, protocol, ['SCTP', 'TCP', 'UDP']),
      ...invalidFor(`${path}.targetPort`, targetPort ?? 0, portReference(targetPort ?? 0)),
    );
    if (nodePort && spec.type === 'ClusterIP') {
      causes.push(invalid(`${path}.nodePort`, nodePort, "may not be used when `type` is 'ClusterIP'"));
    }
    if (nodePort) {
      const held = `${protocol}/${nodePort}`;
      if (nodePorts.has(held)) causes.push(duplicate(`${path}.nodePort`, nodePort));
      nodePorts.add(held);
    }
    const same = `${protocol}/${port}`;
    if (numbers.has(same)) causes.push(duplicate(path, { protocol, port }));
    numbers.add(same);
    return causes;
  });
}
