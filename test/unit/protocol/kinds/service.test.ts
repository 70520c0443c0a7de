import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Service, ServiceSpec } from '../../../../protocol/generated/models.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { admit, faults, row, updateFaults } from './admit.ts';

const serviceOf = (spec: ServiceSpec): Service => ({ metadata: { name: 'web', namespace: 'here' }, spec });

test('a service that says little is filled in as Kubernetes fills it in', () => {
  assert.deepEqual(admit(serviceKind, serviceOf({ ports: [{ port: 80 }] })).spec, {
    internalTrafficPolicy: 'Cluster',
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    sessionAffinity: 'None',
    type: 'ClusterIP',
  });
  const open = admit(
    serviceKind,
    serviceOf({ type: 'NodePort', sessionAffinity: 'ClientIP', ports: [{ port: 1 }] }),
  );
  assert.equal(open.spec?.externalTrafficPolicy, 'Cluster');
  assert.equal(open.spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds, 10800);
  const headless = admit(serviceKind, serviceOf({ clusterIP: 'None' }));
  assert.deepEqual(headless.spec?.clusterIPs, ['None']);
});

const refused: [ServiceSpec, string[]][] = [
  [{}, ['spec.ports: Required value']],
  [
    { ports: [{ port: 80 }, { port: 81 }] },
    ['spec.ports[0].name: Required value', 'spec.ports[1].name: Required value'],
  ],
  [
    {
      ports: [
        { port: 80, name: 'a' },
        { port: 80, name: 'a' },
      ],
    },
    [
      'spec.ports[1].name: Duplicate value: "a"',
      'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
    ],
  ],
  [
    { ports: [{ port: 0, targetPort: 'No_Name' }] },
    [
      'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
      'spec.ports[0].targetPort: Invalid value: "No_Name": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
    ],
  ],
  [
    { type: 'Open', ports: [{ port: 80 }] },
    [
      'spec.type: Unsupported value: "Open": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  [
    { ports: [{ port: 80, nodePort: 30080 }] },
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [{ type: 'ExternalName' }, ['spec.externalName: Required value']],
  [
    { ports: [{ port: 80 }], clusterIP: '10.0.0.999' },
    [
      'spec.clusterIPs[0]: Invalid value: "10.0.0.999": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
    ],
  ],
];

suite('a service is refused in the words of Kubernetes', () => {
  for (const [spec, expected] of refused) {
    test(expected[0] ?? '', () => assert.deepEqual(faults(serviceKind, serviceOf(spec)), expected));
  }
});

test('an address stays with the service: kept when left out, refused when changed', () => {
  const old = serviceOf({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ports: [{ port: 80 }] });
  const leftOut = serviceOf({ ports: [{ port: 81 }] });
  serviceKind.prepareUpdate?.(leftOut, old, { subresource: '', now: 0 });
  assert.deepEqual([leftOut.spec?.clusterIP, leftOut.spec?.clusterIPs], ['10.0.0.1', ['10.0.0.1']]);
  const found = updateFaults(serviceKind, old, (next) => {
    next.spec = { ports: [{ port: 80 }], clusterIP: '10.0.0.2' };
  });
  assert.deepEqual(found, ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']);
});

test('addresses and ports as columns', () => {
  const cells = (spec: ServiceSpec, status: Service['status'] = {}) => {
    const found = row(serviceKind, { ...serviceOf(spec), status });
    return [found['Cluster-IP'], found['External-IP'], found['Port(s)'], found['Selector']];
  };
  assert.deepEqual(
    cells({
      type: 'NodePort',
      clusterIP: '10.0.0.1',
      ports: [
        { port: 80, nodePort: 30080, protocol: 'TCP' },
        { port: 53, protocol: 'UDP' },
      ],
      selector: { b: '2', a: '1' },
    }),
    ['10.0.0.1', '<none>', '80:30080/TCP,53/UDP', 'a=1,b=2'],
  );
  assert.deepEqual(cells({ type: 'ClusterIP', clusterIP: 'None' }), ['None', '<none>', '<none>', '<none>']);
  assert.deepEqual(cells({ type: 'ExternalName', externalName: 'a.b' })[1], 'a.b');
  assert.deepEqual(cells({ type: 'LoadBalancer' })[1], '<pending>');
  assert.deepEqual(
    cells({ type: 'LoadBalancer' }, { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } })[1],
    '1.2.3.4',
  );
});
