import type {
  IPBlock,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../generated/models.ts';
import { contains, parseCidr } from '../ip-address.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { cidrFault } from './address-rules.ts';
import { forbidden, invalid, invalidFor, optionalOneOf, required } from './cause.ts';
import { ageColumn, nameColumn, none, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsSubdomain, portName, portNumber } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const networkPolicyKind = defineKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  singular: 'networkpolicy',
  shortNames: ['netpol'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.networking.v1.NetworkPolicy',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn(
      'Pod-Selector',
      'Labels of the pods it is about.',
      ({ spec }) => selectorText(spec?.podSelector) || none,
    ),
    ageColumn,
  ],
  selectableFields: {},

  applyDefaults(policy) {
    const spec = (policy.spec ??= {});
    spec.podSelector ??= {};
    for (const port of [...(spec.ingress ?? []), ...(spec.egress ?? [])].flatMap(({ ports = [] }) => ports)) {
      port.protocol ??= 'TCP';
    }
    if ((spec.policyTypes ?? []).length > 0) return;
    spec.policyTypes = ['Ingress', ...((spec.egress ?? []).length > 0 ? ['Egress'] : [])];
  },
  validate: (policy) => [...validateObjectMeta(policy, dnsSubdomain), ...validateSpec(policy.spec ?? {})],
});

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/networking/validation. */
function validateSpec(spec: NetworkPolicySpec): StatusCause[] {
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = spec;
  const causes = validateLabelSelector(podSelector, 'spec.podSelector');
  ingress.forEach(({ ports, from }, index) => {
    const path = `spec.ingress[${index}]`;
    causes.push(...validatePorts(ports, `${path}.ports`), ...validatePeers(from, `${path}.from`));
  });
  egress.forEach(({ ports, to }, index) => {
    const path = `spec.egress[${index}]`;
    causes.push(...validatePorts(ports, `${path}.ports`), ...validatePeers(to, `${path}.to`));
  });
  if (policyTypes.length > 2) {
    const detail = 'may not specify more than two policyTypes';
    return [...causes, invalid('spec.policyTypes', policyTypes, detail)];
  }
  return [
    ...causes,
    ...policyTypes.flatMap((type, index) =>
      optionalOneOf(`spec.policyTypes[${index}]`, type, ['Ingress', 'Egress']),
    ),
  ];
}

function validatePorts(ports: readonly NetworkPolicyPort[] | undefined, field: string): StatusCause[] {
  return (ports ?? []).flatMap(({ protocol, port, endPort }, index) => {
    const path = `${field}[${index}]`;
    const causes = optionalOneOf(`${path}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
    if (typeof port === 'number') causes.push(...invalidFor(`${path}.port`, port, portNumber(port)));
    else if (port !== undefined) causes.push(...invalidFor(`${path}.port`, port, portName(port)));
    if (endPort === undefined) return causes;
    if (typeof port !== 'number') {
      const detail = `may not be specified when \`port\` is ${port === undefined ? 'not specified' : 'non-numeric'}`;
      return [...causes, invalid(`${path}.endPort`, endPort, detail)];
    }
    if (endPort < port) {
      causes.push(invalid(`${path}.endPort`, endPort, 'must be greater than or equal to `port`'));
    }
    return [...causes, ...invalidFor(`${path}.endPort`, endPort, portNumber(endPort))];
  });
}

function validatePeers(peers: readonly NetworkPolicyPeer[] | undefined, field: string): StatusCause[] {
  return (peers ?? []).flatMap(({ podSelector, namespaceSelector, ipBlock }, index) => {
    const path = `${field}[${index}]`;
    const causes = [
      ...validateLabelSelector(podSelector, `${path}.podSelector`),
      ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
      ...(ipBlock ? validateBlock(ipBlock, `${path}.ipBlock`) : []),
    ];
    const hasSelector = podSelector !== undefined || namespaceSelector !== undefined;
    if (!hasSelector && !ipBlock) causes.push(required(path, 'must specify a peer'));
    if (hasSelector && ipBlock) {
      causes.push(forbidden(path, 'may not specify both ipBlock and another peer'));
    }
    return causes;
  });
}

function validateBlock({ cidr, except = [] }: IPBlock, field: string): StatusCause[] {
  if (!cidr) return [required(`${field}.cidr`)];
  const whole = parseCidr(cidr);
  if (!whole) return [invalid(`${field}.cidr`, cidr, cidrFault)];
  return except.flatMap((text, index) => {
    const path = `${field}.except[${index}]`;
    const part = parseCidr(text);
    if (!part) return [invalid(path, text, cidrFault)];
    if (contains(whole, part) && part.prefixLength > whole.prefixLength) return [];
    return [invalid(path, text, 'must be a strict subset of `cidr`')];
  });
}
