import { describe } from 'node:test';
import { ingressKind } from '../../../../../protocol/kinds/ingress.ts';
import { ingressClassKind } from '../../../../../protocol/kinds/ingress-class.ts';
import { ipAddressKind } from '../../../../../protocol/kinds/ip-address.ts';
import { networkPolicyKind } from '../../../../../protocol/kinds/network-policy.ts';
import { serviceCidrKind } from '../../../../../protocol/kinds/service-cidr.ts';
import { ipWanted, portRange, refuses, refusesChange, subdomain } from './refusals.ts';

const metadata = { name: 's', namespace: 'here' };
const cidrWanted = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const unsupported = (value: string, ...supported: string[]) =>
  `Unsupported value: "${value}": supported values: ${supported.map((one) => `"${one}"`).join(', ')}`;

describe('ingresses', () => {
  const backend = { service: { name: 's', port: { number: 80 } } };
  const path = { path: '/', pathType: 'Prefix', backend };
  const ingress = { metadata, spec: { rules: [{ host: 'a.b', http: { paths: [path] } }] } };
  const p = 'spec.rules.0.http.paths.0';
  const at = 'spec.rules[0].http.paths[0]';
  refuses(ingressKind, ingress, [
    ['spec', {}, 'spec: Invalid value: []: either `defaultBackend` or `rules` must be specified'],
    [
      'spec.rules.0.host',
      '1.2.3.4',
      'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
    ],
    ['spec.rules.0.host', 'A', `spec.rules[0].host: Invalid value: "A": ${subdomain}`],
    [
      'spec.rules.0.host',
      '*a.b',
      /^spec.rules\[0\].host: Invalid value: "\*a.b": a wildcard DNS-1123 subdomain must start with '\*.'/,
    ],
    ['spec.rules.0.http.paths', [], 'spec.rules[0].http.paths: Required value'],
    [`${p}.pathType`, undefined, `${at}.pathType: Required value: pathType must be specified`],
    [
      `${p}.pathType`,
      'Regex',
      `${at}.pathType: ${unsupported('Regex', 'Exact', 'ImplementationSpecific', 'Prefix')}`,
    ],
    [`${p}.path`, 'a', `${at}.path: Invalid value: "a": must be an absolute path`],
    [`${p}.path`, '/a//b', `${at}.path: Invalid value: "/a//b": must not contain '//'`],
    [`${p}.path`, '/a/..', `${at}.path: Invalid value: "/a/..": cannot end with '/..'`],
    [`${p}.path`, '/%2F', `${at}.path: Invalid value: "/%2F": must not contain '%2F'`],
    [`${p}.backend`, {}, `${at}.backend: Invalid value: "": resource or service backend is required`],
    [`${p}.backend.service.name`, '', `${at}.backend.service.name: Required value`],
    [`${p}.backend.service.port`, {}, `${at}.backend: Required value: port name or number is required`],
    [
      `${p}.backend.service.port`,
      { name: 'a', number: 1 },
      `${at}.backend: Invalid value: "": cannot set both port name & port number`,
    ],
    [
      `${p}.backend.service.port.number`,
      70_000,
      `${at}.backend.service.port.number: Invalid value: 70000: ${portRange}`,
    ],
    [
      `${p}.backend`,
      { resource: { apiGroup: 'A', kind: '', name: 'a/b' } },
      `${at}.backend.resource.apiGroup: Invalid value: "A": ${subdomain}`,
      `${at}.backend.resource.kind: Required value`,
      `${at}.backend.resource.name: Invalid value: "a/b": may not contain '/'`,
    ],
    [
      `${p}.backend`,
      { ...backend, resource: { kind: 'K', name: 'n' } },
      `${at}.backend: Invalid value: "": cannot set both resource and service backends`,
    ],
    [
      'spec.tls',
      [{ hosts: ['_'], secretName: 'A' }],
      `spec.tls[0].hosts[0]: Invalid value: "_": ${subdomain}`,
      `spec.tls[0].secretName: Invalid value: "A": ${subdomain}`,
    ],
    ['spec.ingressClassName', 'A', `spec.ingressClassName: Invalid value: "A": ${subdomain}`],
  ]);
  const named = {
    metadata: { ...metadata, annotations: { 'kubernetes.io/ingress.class': 'a' } },
    spec: { ...ingress.spec, ingressClassName: 'a' },
  };
  refuses(ingressKind, named, [
    [
      'spec.ingressClassName',
      'b',
      'annotations.kubernetes.io/ingress.class: Invalid value: "a": must match `ingressClassName` when both are specified',
    ],
  ]);
  const points = 'status.loadBalancer.ingress';
  refusesChange(
    ingressKind,
    ingress,
    [
      [points, [{ ip: 'x' }], `${points}[0].ip: Invalid value: "x": ${ipWanted}`],
      [
        points,
        [{ hostname: '1.2.3.4' }],
        `${points}[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address`,
      ],
      ['spec.rules', []],
    ],
    'status',
  );
  const parameters = { kind: 'K', name: 'n' };
  refuses(ingressClassKind, { metadata: { name: 's' }, spec: { controller: 'a.com/b', parameters } }, [
    ['spec.controller', '', 'spec.controller: Required value'],
    [
      'spec.controller',
      'b',
      'spec.controller: Invalid value: "b": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [
      'spec.controller',
      `a.com/${'b'.repeat(250)}`,
      'spec.controller: Too long: may not be more than 250 bytes',
    ],
    ['spec.parameters.kind', '', 'spec.parameters.kind: Required value'],
    [
      'spec.parameters.scope',
      'World',
      `spec.parameters.scope: ${unsupported('World', 'Cluster', 'Namespace')}`,
    ],
    [
      'spec.parameters.scope',
      'Namespace',
      "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
    ],
    [
      'spec.parameters.namespace',
      'a',
      "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
    ],
  ]);
  refusesChange(ingressClassKind, { metadata: { name: 's' }, spec: { controller: 'a.com/b' } }, [
    ['spec.controller', 'a.com/c', 'spec.controller: Invalid value: "a.com/c": field is immutable'],
  ]);
});

describe('network policies', () => {
  const peers = (peer: object) => [{ from: [peer] }];
  const ports = (port: object) => [{ ports: [port] }];
  const from = 'spec.ingress[0].from[0]';
  const port = 'spec.ingress[0].ports[0]';
  refuses(networkPolicyKind, { metadata, spec: {} }, [
    [
      'spec.podSelector.matchLabels',
      { a: 'x y' },
      /^spec.podSelector.matchLabels: Invalid value: "x y": a valid label/,
    ],
    ['spec.ingress', peers({}), `${from}: Required value: must specify a peer`],
    [
      'spec.ingress',
      peers({ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }),
      `${from}: Forbidden: may not specify both ipBlock and another peer`,
    ],
    ['spec.ingress', peers({ ipBlock: { cidr: '' } }), `${from}.ipBlock.cidr: Required value`],
    [
      'spec.ingress',
      peers({ ipBlock: { cidr: '10.0.0.0' } }),
      `${from}.ipBlock.cidr: Invalid value: "10.0.0.0": ${cidrWanted}`,
    ],
    [
      'spec.ingress',
      peers({ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/9'] } }),
      `${from}.ipBlock.except[0]: Invalid value: "11.0.0.0/9": must be a strict subset of \`cidr\``,
    ],
    [
      'spec.ingress',
      ports({ protocol: 'ICMP' }),
      `${port}.protocol: ${unsupported('ICMP', 'TCP', 'UDP', 'SCTP')}`,
    ],
    ['spec.ingress', ports({ port: 0 }), `${port}.port: Invalid value: 0: ${portRange}`],
    [
      'spec.ingress',
      ports({ endPort: 5 }),
      `${port}.endPort: Invalid value: 5: may not be specified when \`port\` is not specified`,
    ],
    [
      'spec.ingress',
      ports({ port: 'a', endPort: 5 }),
      `${port}.endPort: Invalid value: 5: may not be specified when \`port\` is non-numeric`,
    ],
    [
      'spec.ingress',
      ports({ port: 9, endPort: 5 }),
      `${port}.endPort: Invalid value: 5: must be greater than or equal to \`port\``,
    ],
    ['spec.policyTypes', ['Both'], `spec.policyTypes[0]: ${unsupported('Both', 'Ingress', 'Egress')}`],
    [
      'spec.policyTypes',
      ['Ingress', 'Egress', 'Ingress'],
      'spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes',
    ],
  ]);
});

describe('addresses and ranges of services', () => {
  const parentRef = { resource: 'services', name: 'a', namespace: 'b' };
  const address = { metadata: { name: '10.0.0.1' }, spec: { parentRef } };
  refuses(ipAddressKind, address, [
    ['metadata.name', 'x', `metadata.name: Invalid value: "x": ${ipWanted}`],
    ['spec.parentRef', undefined, 'spec.parentRef: Required value'],
    ['spec.parentRef.resource', '', 'spec.parentRef.resource: Required value'],
    ['spec.parentRef.name', 'a/b', 'spec.parentRef.name: Invalid value: "a/b": may not contain \'/\''],
    ['spec.parentRef.namespace', '.', 'spec.parentRef.namespace: Invalid value: ".": may not be \'.\''],
    ['spec.parentRef.group', 'A', `spec.parentRef.group: Invalid value: "A": ${subdomain}`],
  ]);
  refusesChange(ipAddressKind, address, [
    [
      'spec.parentRef',
      { resource: 'pods', name: 'a' },
      'spec.parentRef: Invalid value: {"resource":"pods","name":"a"}: field is immutable',
    ],
  ]);
  const range = { metadata: { name: 's' }, spec: { cidrs: ['10.0.0.0/24'] } };
  refuses(serviceCidrKind, range, [
    ['spec.cidrs', [], 'spec.cidrs: Required value: at least one CIDR required'],
    ['spec.cidrs', ['x'], `spec.cidrs[0]: Invalid value: "x": ${cidrWanted}`],
    [
      'spec.cidrs',
      ['10.0.0.0/24', '10.0.1.0/24'],
      'spec.cidrs: Invalid value: ["10.0.0.0/24","10.0.1.0/24"]: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    ],
    [
      'spec.cidrs',
      ['a', 'b', 'c'],
      'spec.cidrs: Invalid value: {"CIDRs":["a","b","c"]}: may only hold up to 2 values',
    ],
  ]);
  refusesChange(serviceCidrKind, range, [
    ['spec.cidrs', ['10.0.1.0/24'], 'spec.cidrs[0]: Invalid value: "10.0.1.0/24": field is immutable'],
    ['spec.cidrs', [], 'spec.cidrs: Invalid value: []: field is immutable'],
    ['spec.cidrs', ['10.0.0.0/24', 'fd00::/112']],
  ]);
});
