import type { Service, ServicePort, ServiceSpec } from '../../generated/models.ts';
import { parseIp } from '../../ip-address.ts';
import type { StatusCause } from '../../status.ts';
import { validateCidr, validateIp, validateReachableIp } from '../address-rules.ts';
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
} from '../cause.ts';
import { validateHostname } from '../ingress.ts';
import {
  dnsLabel,
  dnsSubdomain,
  isIpAddress,
  portNumber,
  portReference,
  qualifiedName,
} from '../name-rules.ts';
import { validateLabels } from '../object-meta.ts';
import { hasClusterIp, hasHealthCheckPort, hasNodePorts, isExternal, isHeadless } from '../service-fields.ts';

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const topologyHints = 'service.kubernetes.io/topology-aware-hints';
const topologyMode = 'service.kubernetes.io/topology-mode';
const policyField = 'spec.externalTrafficPolicy';
const distributions = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const sourceRangesAnnotation = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const secondsOfDay = 24 * 60 * 60;

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/core/validation, ValidateService. */
export function validateService(service: Service): StatusCause[] {
  const { spec = {} } = service;
  const { type, ports = [] } = spec;
  const portless = spec.clusterIP === 'None' || type === 'ExternalName';
  const causes = ports.length === 0 && !portless ? [required('spec.ports')] : [];
  if (hasNodePorts(spec) && isHeadless(spec)) {
    causes.push(invalid('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`));
  }
  if (type === 'ExternalName') causes.push(...validateExternalName(spec));
  const trafficPolicies = ['Cluster', 'Local'];
  return [
    ...validateTopologyMode(service),
    ...causes,
    ...validatePorts(ports, spec, 'spec.ports'),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...validateAffinity(spec),
    ...(type === 'ExternalName' ? [] : validateClusterIps(spec)),
    ...(spec.externalIPs ?? []).flatMap((address, index) => {
      const field = `spec.externalIPs[${index}]`;
      return parseIp(address) ? validateReachableIp(field, address) : validateIp(field, address);
    }),
    ...oneOf('spec.type', type, types),
    ...validateBalancing(service),
    ...validateExternalTraffic(spec),
    ...optionalOneOf('spec.internalTrafficPolicy', spec.internalTrafficPolicy, trafficPolicies),
    ...optionalOneOf('spec.trafficDistribution', spec.trafficDistribution, distributions),
  ];
}

function validateExternalName(spec: ServiceSpec): StatusCause[] {
  const { externalName = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const refused = [
    ...(clusterIPs.length > 0 ? ['clusterIPs'] : []),
    ...(ipFamilies.length > 0 ? ['ipFamilies'] : []),
    ...(ipFamilyPolicy === undefined ? [] : ['ipFamilyPolicy']),
  ];
  const name = externalName.replace(/\.$/, '');
  return [
    ...refused.map((field) => forbidden(`spec.${field}`, 'may not be set for ExternalName services')),
    ...(name === ''
      ? [required('spec.externalName')]
      : invalidFor('spec.externalName', name, dnsSubdomain(name))),
  ];
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig: config }: ServiceSpec): StatusCause[] {
  const field = 'spec.sessionAffinityConfig';
  const causes = oneOf('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None']);
  if (sessionAffinity === 'None' && config) {
    causes.push(forbidden(field, 'must not be set when session affinity is None'));
  }
  const seconds = config?.clientIP?.timeoutSeconds;
  if (sessionAffinity === 'ClientIP' && seconds !== undefined && (seconds <= 0 || seconds > secondsOfDay)) {
    const detail = `must be greater than 0 and less than ${secondsOfDay}`;
    causes.push(invalid(`${field}.clientIP.timeoutSeconds`, seconds, detail));
  }
  return causes;
}

/** What only services of type LoadBalancer have. */
function validateBalancing({ metadata, spec = {} }: Service): StatusCause[] {
  const { type, loadBalancerSourceRanges: ranges = [], loadBalancerClass: chosen } = spec;
  const misplaced = (field: string) =>
    type === 'LoadBalancer' ? [] : [forbidden(field, "may only be used when `type` is 'LoadBalancer'")];
  const causes: StatusCause[] = [];
  const annotated = metadata?.annotations?.[sourceRangesAnnotation];
  if (ranges.length > 0) {
    const field = 'spec.LoadBalancerSourceRanges';
    causes.push(...misplaced(field));
    ranges.forEach((range, index) => causes.push(...validateCidr(`${field}[${index}]`, range.trim())));
  } else if (annotated !== undefined) {
    const field = `metadata.annotations[${sourceRangesAnnotation}]`;
    causes.push(...misplaced(field));
    if (annotated.trim() !== '')
      causes.push(...annotated.split(',').flatMap((range) => validateCidr(field, range.trim())));
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined)
    causes.push(...misplaced('spec.allocateLoadBalancerNodePorts'));
  if (chosen !== undefined) {
    const fault = misplaced('spec.loadBalancerClass');
    const format = () => invalidFor('spec.loadBalancerClass', chosen, qualifiedName(chosen));
    causes.push(...(fault.length > 0 ? fault : format()));
  }
  return causes;
}

function validateExternalTraffic(spec: ServiceSpec): StatusCause[] {
  const { externalTrafficPolicy: policy, healthCheckNodePort: port } = spec;
  const causes: StatusCause[] = [];
  if (isExternal(spec)) causes.push(...optionalOneOf(policyField, policy, ['Cluster', 'Local']));
  else if (policy)
    causes.push(invalid(policyField, policy, 'may only be set for externally-accessible services'));
  if (!port) return causes;
  if (hasHealthCheckPort(spec))
    return [...causes, ...invalidFor('spec.healthCheckNodePort', port, portNumber(port))];
  const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
  return [...causes, invalid('spec.healthCheckNodePort', port, detail)];
}

/** Source of rules and wording: the same, ValidateServiceUpdate. */
export function validateServiceChange(
  { spec: next = {} }: Service,
  { spec: old = {} }: Service,
): StatusCause[] {
  const causes: StatusCause[] = [];
  if (hasClusterIp(next) && hasClusterIp(old)) {
    causes.push(...validateMembers(next, old, 'clusterIPs', 'clusterIP'));
    if (!isHeadless(next) || !isHeadless(old))
      causes.push(...validateMembers(next, old, 'ipFamilies', 'ipFamily'));
  }
  const balanced = next.type === 'LoadBalancer' && old.type === 'LoadBalancer';
  if (balanced && next.loadBalancerClass !== old.loadBalancerClass) {
    causes.push(invalid('spec.loadBalancerClass', next.loadBalancerClass, 'may not change once set'));
  }
  const checked = hasHealthCheckPort(next) && hasHealthCheckPort(old);
  if (checked && old.healthCheckNodePort && next.healthCheckNodePort !== old.healthCheckNodePort) {
    causes.push(forbidden('spec.healthCheckNodePort', 'field is immutable'));
  }
  return causes;
}

/** A second address or family comes and goes, the first stays. */
function validateMembers(
  next: ServiceSpec,
  old: ServiceSpec,
  list: 'clusterIPs' | 'ipFamilies',
  word: string,
): StatusCause[] {
  const after = next[list] ?? [];
  const before = old[list] ?? [];
  const field = `spec.${list}`;
  const fixed = 'may not change once set';
  if (before.length === after.length) {
    return before.flatMap((value, index) =>
      value === after[index] ? [] : [invalid(`${field}[${index}]`, after, fixed)],
    );
  }
  if (after.length === 0) {
    // Who leaves all families out has them chosen anew.
    return list === 'ipFamilies' ? [] : [invalid(`${field}[0]`, after, `primary ${word} can not be unset`)];
  }
  const causes: StatusCause[] = [];
  if (before.length > 0 && after[0] !== before[0]) causes.push(invalid(`${field}[0]`, after, fixed));
  if (before.length > after.length && after.length === 1 && next.ipFamilyPolicy !== 'SingleStack') {
    const detail = `must be set to 'SingleStack' when releasing the secondary ${word}`;
    causes.push(invalid('spec.ipFamilyPolicy', next.ipFamilyPolicy, detail));
  }
  return causes;
}

/** Source of rules and wording: the same, ValidateLoadBalancerStatus. */
export function validateServiceStatus({ status }: Service): StatusCause[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode, hostname }, index) => {
    const path = `status.loadBalancer.ingress[${index}]`;
    const causes = ip ? validateIp(`${path}.ip`, ip) : [];
    if (ipMode !== undefined && !ip) {
      causes.push(forbidden(`${path}.ipMode`, 'may not be specified when `ip` is not set'));
    } else causes.push(...optionalOneOf(`${path}.ipMode`, ipMode, ['Proxy', 'VIP']));
    return hostname ? [...causes, ...validateHostname(`${path}.hostname`, hostname)] : causes;
  });
}

function validateTopologyMode({ metadata }: Service): StatusCause[] {
  const { [topologyHints]: hints, [topologyMode]: mode } = metadata?.annotations ?? {};
  if (hints === undefined || mode === undefined || hints === mode) return [];
  const detail = `must match annotations[${topologyHints}] when both are specified`;
  return [invalid(`metadata.annotations[${topologyMode}]`, mode, detail)];
}

const families = ['IPv4', 'IPv6'];
const familyPolicies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateServiceClusterIPsRelatedFields. */
function validateClusterIps(spec: ServiceSpec): StatusCause[] {
  const { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec;
  const causes: StatusCause[] = [
    ...optionalOneOf('spec.ipFamilyPolicy', ipFamilyPolicy, familyPolicies),
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
    if (!isIpAddress(address)) causes.push(...validateIp(at, address));
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

function familyOf(address: string): string {
  return address.includes(':') ? 'IPv6' : 'IPv4';
}

function validatePorts(ports: readonly ServicePort[], spec: ServiceSpec, field: string): StatusCause[] {
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  return ports.flatMap(({ name, port, protocol, targetPort, nodePort, appProtocol }, index) => {
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
    if (appProtocol !== undefined)
      causes.push(...invalidFor(`${path}.appProtocol`, appProtocol, qualifiedName(appProtocol)));
    if (nodePort && spec.type === 'ClusterIP')
      causes.push(forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'"));
    if (nodePort) {
      const held = `${protocol}/${nodePort}`;
      if (nodePorts.has(held)) causes.push(duplicate(`${path}.nodePort`, nodePort));
      nodePorts.add(held);
    }
    const same = `${protocol}/${port}`;
    if (numbers.has(same)) causes.push(duplicate(path, shownPort(protocol, port)));
    numbers.add(same);
    return causes;
  });
}

/** As Kubernetes shows the port that it found twice. */
function shownPort(protocol: string | undefined, port: number) {
  return { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
}
