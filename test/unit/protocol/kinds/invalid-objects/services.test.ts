import { describe } from 'node:test';
import { endpointSliceKind } from '../../../../../protocol/kinds/endpoint-slice.ts';
import { endpointsKind } from '../../../../../protocol/kinds/endpoints.ts';
import { serviceKind } from '../../../../../protocol/kinds/service.ts';
import { ipWanted, label, portRange, refuses, refusesChange, subdomain } from './refusals.ts';

const metadata = { name: 's', namespace: 'here' };
const service = { metadata, spec: { ports: [{ port: 80 }] } };
const balanced = { metadata, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } };
const onlyBalanced = "may only be used when `type` is 'LoadBalancer'";
const cidrWanted = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const p = 'spec.ports[0]';

describe('services', () => {
  refuses(serviceKind, service, [
    [
      'metadata.name',
      '1a',
      /^metadata.name: Invalid value: "1a": a DNS-1035 label must consist of lower case alphanumeric/,
    ],
    ['spec.ports', [], 'spec.ports: Required value'],
    [
      'spec.ports.0.port',
      0,
      `${p}.port: Invalid value: 0: ${portRange}`,
      `${p}.targetPort: Invalid value: 0: ${portRange}`,
    ],
    [
      'spec.ports.0.protocol',
      'HTTP',
      `${p}.protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"`,
    ],
    [
      'spec.ports.0.targetPort',
      'a_b',
      `${p}.targetPort: Invalid value: "a_b": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)`,
    ],
    ['spec.ports.0.name', 'A', `${p}.name: Invalid value: "A": ${label}`],
    [
      'spec.ports.0.appProtocol',
      'a/b/c',
      /^spec.ports\[0\].appProtocol: Invalid value: "a\/b\/c": a qualified name must consist/,
    ],
    [
      'spec.ports.0.nodePort',
      30_000,
      `${p}.nodePort: Forbidden: may not be used when \`type\` is 'ClusterIP'`,
    ],
    ['spec.ports.1', { port: 81, name: 'b' }, `${p}.name: Required value`],
    [
      'spec.type',
      'Internal',
      'spec.type: Unsupported value: "Internal": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
    ['spec.type', 'ExternalName', 'spec.externalName: Required value'],
    [
      'spec.selector',
      { a: 'x y' },
      /^spec.selector: Invalid value: "x y": a valid label must be an empty string/,
    ],
    [
      'spec.sessionAffinity',
      'Cookie',
      'spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"',
    ],
    ['spec.externalIPs', ['x'], `spec.externalIPs[0]: Invalid value: "x": ${ipWanted}`],
    [
      'spec.externalIPs',
      ['0.0.0.0'],
      'spec.externalIPs[0]: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
    ],
    [
      'spec.externalIPs',
      ['127.0.0.1'],
      'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
    ],
    [
      'spec.externalIPs',
      ['fe80::1'],
      'spec.externalIPs[0]: Invalid value: "fe80::1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
    ],
    [
      'spec.externalIPs',
      ['224.0.0.1'],
      'spec.externalIPs[0]: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    ],
    [
      'spec.externalTrafficPolicy',
      'Local',
      'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
    ],
    [
      'spec.internalTrafficPolicy',
      'Near',
      'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
    ],
    [
      'spec.trafficDistribution',
      'Near',
      'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"',
    ],
    [
      'spec.loadBalancerSourceRanges',
      ['10.0.0.0/8'],
      `spec.LoadBalancerSourceRanges: Forbidden: ${onlyBalanced}`,
    ],
    ['spec.loadBalancerClass', 'a/b', `spec.loadBalancerClass: Forbidden: ${onlyBalanced}`],
    [
      'spec.allocateLoadBalancerNodePorts',
      true,
      `spec.allocateLoadBalancerNodePorts: Forbidden: ${onlyBalanced}`,
    ],
    [
      'spec.healthCheckNodePort',
      30_001,
      "spec.healthCheckNodePort: Invalid value: 30001: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ],
    ['spec.clusterIP', 'x', `spec.clusterIPs[0]: Invalid value: "x": ${ipWanted}`],
    [
      'spec.clusterIPs',
      ['10.0.0.1'],
      'spec.clusterIPs: Invalid value: ["10.0.0.1"]: must be empty when `clusterIP` is not specified',
    ],
    [
      'spec.ipFamilies',
      ['IPv5'],
      'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
    ],
    ['spec.ipFamilies', ['IPv4', 'IPv4'], 'spec.ipFamilies[1]: Duplicate value: "IPv4"'],
    [
      'spec.ipFamilyPolicy',
      'Both',
      'spec.ipFamilyPolicy: Unsupported value: "Both": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
    ],
    [
      'metadata.annotations',
      { 'service.kubernetes.io/topology-aware-hints': 'a', 'service.kubernetes.io/topology-mode': 'b' },
      'metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "b": must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified',
    ],
  ]);
  refuses(serviceKind, balanced, [
    [
      'spec.clusterIP',
      'None',
      'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for LoadBalancer services',
    ],
    [
      'spec.loadBalancerSourceRanges',
      [' 10.0.0.0/8 ', 'x'],
      `spec.LoadBalancerSourceRanges[1]: Invalid value: "x": ${cidrWanted}`,
    ],
    [
      'metadata.annotations',
      { 'service.beta.kubernetes.io/load-balancer-source-ranges': '1.2.3.0/24, y' },
      `metadata.annotations[service.beta.kubernetes.io/load-balancer-source-ranges]: Invalid value: "y": ${cidrWanted}`,
    ],
    [
      'spec.loadBalancerClass',
      'a b',
      /^spec.loadBalancerClass: Invalid value: "a b": name part must consist/,
    ],
    [
      'spec.externalTrafficPolicy',
      'Near',
      'spec.externalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
    ],
  ]);
  const sticky = { metadata, spec: { ...service.spec, sessionAffinity: 'ClientIP' } };
  refuses(serviceKind, sticky, [
    [
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds',
      86_401,
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
    ],
  ]);
  refuses(serviceKind, { metadata, spec: { type: 'ExternalName', externalName: 'a.example.' } }, [
    ['spec.externalName', 'a..b', `spec.externalName: Invalid value: "a..b": ${subdomain}`],
    ['spec.clusterIP', '10.0.0.1', 'spec.clusterIPs: Forbidden: may not be set for ExternalName services'],
  ]);
  const dual = {
    metadata,
    spec: {
      ...balanced.spec,
      clusterIP: '10.0.0.1',
      clusterIPs: ['10.0.0.1', 'fd00::1'],
      ipFamilies: ['IPv4', 'IPv6'],
      loadBalancerClass: 'a/b',
    },
  };
  refusesChange(serviceKind, dual, [
    [
      'spec.clusterIPs',
      ['10.0.0.1', 'fd00::2'],
      'spec.clusterIPs[1]: Invalid value: ["10.0.0.1","fd00::2"]: may not change once set',
    ],
    [
      'spec.clusterIPs',
      ['10.0.0.1'],
      "spec.ipFamilyPolicy: Invalid value: null: must be set to 'SingleStack' when releasing the secondary clusterIP",
    ],
    [
      'spec.ipFamilies',
      ['IPv6', 'IPv4'],
      'spec.ipFamilies[0]: Invalid value: ["IPv6","IPv4"]: may not change once set',
      'spec.ipFamilies[1]: Invalid value: ["IPv6","IPv4"]: may not change once set',
    ],
    [
      'spec.loadBalancerClass',
      'a/c',
      'spec.loadBalancerClass: Invalid value: "a/c": may not change once set',
    ],
  ]);
  const at = 'status.loadBalancer.ingress';
  refusesChange(
    serviceKind,
    balanced,
    [
      [at, [{ ip: 'x' }], `${at}[0].ip: Invalid value: "x": ${ipWanted}`],
      [
        at,
        [{ ip: '1.2.3.4', ipMode: 'Any' }],
        `${at}[0].ipMode: Unsupported value: "Any": supported values: "Proxy", "VIP"`,
      ],
      [
        at,
        [{ hostname: 'a', ipMode: 'VIP' }],
        `${at}[0].ipMode: Forbidden: may not be specified when \`ip\` is not set`,
      ],
      [
        at,
        [{ hostname: '1.2.3.4' }],
        `${at}[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address`,
      ],
      ['spec.type', 'Nonsense'],
    ],
    'status',
  );
});

describe('endpoints', () => {
  const subset = { addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] };
  refuses(endpointsKind, { metadata, subsets: [subset] }, [
    ['subsets.0', {}, 'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`'],
    [
      'subsets.0.addresses.0.ip',
      'x',
      `subsets[0].addresses[0].ip: Invalid value: "x": ${ipWanted}`,
      'subsets[0].addresses[0].ip: Invalid value: "x": must be a valid IP address',
    ],
    [
      'subsets.0.addresses.0.ip',
      '0.0.0.0',
      'subsets[0].addresses[0].ip: Invalid value: "0.0.0.0": may not be unspecified (0.0.0.0)',
    ],
    ['subsets.0.addresses.0.hostname', 'A', `subsets[0].addresses[0].hostname: Invalid value: "A": ${label}`],
    [
      'subsets.0.addresses.0.nodeName',
      'A',
      `subsets[0].addresses[0].nodeName: Invalid value: "A": ${subdomain}`,
    ],
    ['subsets.0.ports.0.port', 70_000, `subsets[0].ports[0].port: Invalid value: 70000: ${portRange}`],
    ['subsets.0.ports.1', { port: 1, name: 'b' }, 'subsets[0].ports[0].name: Required value'],
    [
      'subsets.0.ports.0.appProtocol',
      '',
      /appProtocol: Invalid value: "": name part must be non-empty/,
      /appProtocol: Invalid value: "": name part must consist/,
    ],
  ]);
});

describe('endpoint slices', () => {
  const slice = {
    metadata,
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
    ports: [{ port: 80 }],
  };
  refuses(endpointSliceKind, slice, [
    ['addressType', 'IP', 'addressType: Unsupported value: "IP": supported values: "FQDN", "IPv4", "IPv6"'],
    ['addressType', undefined, 'addressType: Required value'],
    ['endpoints.0.addresses', [], 'endpoints[0].addresses: Required value: must contain at least 1 address'],
    [
      'endpoints.0.addresses.0',
      'fd00::1',
      'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address',
    ],
    [
      'endpoints.0.addresses.0',
      '224.0.0.1',
      'endpoints[0].addresses[0]: Invalid value: "224.0.0.1": may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
    ],
    ['endpoints.0.nodeName', '-', `endpoints[0].nodeName: Invalid value: "-": ${subdomain}`],
    ['endpoints.0.hostname', 'a.b', 'endpoints[0].hostname: Invalid value: "a.b": must not contain dots'],
    ['ports.1', { port: 81 }, 'ports[1].name: Duplicate value: ""'],
    [
      'ports.0.protocol',
      'X',
      'ports[0].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
    ],
  ]);
  const named = { ...slice, addressType: 'FQDN', endpoints: [{ addresses: ['a.example.'] }] };
  refuses(endpointSliceKind, named, [
    [
      'endpoints.0.addresses.0',
      'alone',
      'endpoints[0].addresses[0]: Invalid value: "alone": should be a domain with at least two segments separated by dots',
    ],
    ['endpoints.0.addresses.0', 'A.b', `endpoints[0].addresses[0]: Invalid value: "A.b": ${subdomain}`],
  ]);
  refusesChange(endpointSliceKind, slice, [
    ['addressType', 'IPv6', 'addressType: Invalid value: "IPv6": field is immutable'],
  ]);
});
