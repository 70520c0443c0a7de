import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IngressSpec, NetworkPolicySpec } from '../../../../protocol/generated/models.ts';
import { endpointSliceKind } from '../../../../protocol/kinds/endpoint-slice.ts';
import { ingressKind } from '../../../../protocol/kinds/ingress.ts';
import { networkPolicyKind } from '../../../../protocol/kinds/network-policy.ts';
import { podDisruptionBudgetKind } from '../../../../protocol/kinds/pod-disruption-budget.ts';
import { admit, faults, row } from './admit.ts';

const metadata = { name: 'web', namespace: 'here' };
const service = { name: 'web', port: { number: 80 } };
const at = (path: object): IngressSpec => ({ rules: [{ http: { paths: [path as never] } }] });

test('an ingress that leads nowhere is refused', () => {
  const wrong = (spec: IngressSpec) => faults(ingressKind, { metadata, spec });
  const path = 'spec.rules[0].http.paths[0]';
  assert.deepEqual(wrong({}), [
    'spec: Invalid value: []: either `defaultBackend` or `rules` must be specified',
  ]);
  assert.deepEqual(wrong({ defaultBackend: { service } }), []);
  assert.deepEqual(wrong(at({ backend: { service } })), [
    `${path}.pathType: Required value: pathType must be specified`,
  ]);
  assert.deepEqual(wrong(at({ path: 'a//b', pathType: 'Prefix', backend: {} })), [
    `${path}.path: Invalid value: "a//b": must be an absolute path`,
    `${path}.path: Invalid value: "a//b": must not contain '//'`,
    `${path}.backend: Invalid value: "": resource or service backend is required`,
  ]);
  assert.deepEqual(wrong(at({ path: '/', pathType: 'Exact', backend: { service: { name: 'web' } } })), [
    `${path}.backend: Required value: port name or number is required`,
  ]);
  assert.match(
    wrong({ defaultBackend: { service }, rules: [{ host: '*.a.*' }] })[0] ?? '',
    /wildcard DNS-1123 subdomain/,
  );
  assert.deepEqual(wrong({ defaultBackend: { service }, rules: [{ host: '10.0.0.1' }] }), [
    'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
  ]);
});

test('an ingress shows its first three hosts, and where it is', () => {
  const hosts = ['a', 'b', 'c', 'd'].map((host) => ({ host }));
  const status = { loadBalancer: { ingress: [{ ip: '10.0.0.2' }, { ip: '10.0.0.1' }] } };
  const shown = row(ingressKind, { metadata, spec: { rules: hosts, tls: [{}] }, status });
  assert.deepEqual(
    [shown['Class'], shown['Hosts'], shown['Address'], shown['Ports']],
    ['<none>', 'a,b,c + 1 more...', '10.0.0.1,10.0.0.2', '80, 443'],
  );
});

test('a network policy is about what comes in, and about what goes out if it says so', () => {
  const types = (spec: Partial<NetworkPolicySpec>) =>
    admit(networkPolicyKind, { metadata, spec: { podSelector: {}, ...spec } }).spec?.policyTypes;
  assert.deepEqual(types({}), ['Ingress']);
  assert.deepEqual(types({ egress: [{}] }), ['Ingress', 'Egress']);
  assert.deepEqual(types({ policyTypes: ['Egress'] }), ['Egress']);
});

test('peers and ports of a network policy that cannot be are refused', () => {
  const from = [
    {},
    { podSelector: {}, ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8', '11.0.0.0/9', 'x'] } },
  ];
  const ports = [{ port: 0 }, { port: 'http', endPort: 80 }, { port: 80, endPort: 79 }, { endPort: 1 }];
  const spec = { podSelector: {}, ingress: [{ from, ports }] };
  assert.deepEqual(faults(networkPolicyKind, { metadata, spec }), [
    'spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
    'spec.ingress[0].ports[1].endPort: Invalid value: 80: may not be specified when `port` is non-numeric',
    'spec.ingress[0].ports[2].endPort: Invalid value: 79: must be greater than or equal to `port`',
    'spec.ingress[0].ports[3].endPort: Invalid value: 1: may not be specified when `port` is not specified',
    'spec.ingress[0].from[0]: Required value: must specify a peer',
    'spec.ingress[0].from[1].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`',
    'spec.ingress[0].from[1].ipBlock.except[1]: Invalid value: "11.0.0.0/9": must be a strict subset of `cidr`',
    'spec.ingress[0].from[1].ipBlock.except[2]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
    'spec.ingress[0].from[1]: Forbidden: may not specify both ipBlock and another peer',
  ]);
});

test('endpoints have addresses of their type, and ports with names of their own', () => {
  const slice = {
    metadata,
    addressType: 'IPv4',
    endpoints: [{ addresses: ['::1'] }, { addresses: [] }],
    ports: [{ port: 80 }, { port: 81 }],
  };
  assert.deepEqual(faults(endpointSliceKind, slice), [
    'endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address',
    'endpoints[1].addresses: Required value: must contain at least 1 address',
    'ports[1].name: Duplicate value: ""',
  ]);
  assert.equal(
    row(endpointSliceKind, { metadata, addressType: 'IPv4', endpoints: [] })['Endpoints'],
    '<unset>',
  );
});

test('a budget is one number or percentage', () => {
  const wrong = (spec: object) => faults(podDisruptionBudgetKind, { metadata, spec });
  assert.deepEqual(wrong({ minAvailable: '101%' }), [
    'spec.minAvailable: Invalid value: "101%": must not be greater than 100%',
  ]);
  assert.deepEqual(wrong({ maxUnavailable: -1, unhealthyPodEvictionPolicy: 'Often' }), [
    'spec.maxUnavailable: Invalid value: -1: must be greater than or equal to 0',
    'spec.unhealthyPodEvictionPolicy: Unsupported value: "Often": supported values: "AlwaysAllow", "IfHealthyBudget"',
  ]);
  assert.deepEqual(wrong({ minAvailable: '50%' }), []);
});
