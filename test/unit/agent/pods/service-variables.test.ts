import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { findApiServer } from '../../../../agent/pods/api-server.ts';
import { type ServiceSources, serviceVariables } from '../../../../agent/pods/service-variables.ts';
import type { Service } from '../../../../protocol/generated/models.ts';
import { pod } from './plan-cases.ts';

const shop: Service = {
  metadata: { name: 'web-shop' },
  spec: {
    clusterIP: '10.96.0.9',
    ports: [
      { name: 'http', port: 80 },
      { name: 'dns.udp', port: 53, protocol: 'UDP' },
    ],
  },
};
const sources = (services: Service[], api?: { host: string; port: number }): ServiceSources => ({
  services: () => services,
  apiServer: () => api,
});
const told = (given: ServiceSources, spec = {}) =>
  Object.fromEntries(serviceVariables(pod(spec), given, { sharesHost: false }));

suite('a pod is told of services', () => {
  test('by the names that Kubernetes and Docker gave to it', () => {
    assert.deepEqual(told(sources([shop])), {
      WEB_SHOP_SERVICE_HOST: '10.96.0.9',
      WEB_SHOP_SERVICE_PORT: '80',
      WEB_SHOP_SERVICE_PORT_HTTP: '80',
      WEB_SHOP_SERVICE_PORT_DNS_UDP: '53',
      WEB_SHOP_PORT: 'tcp://10.96.0.9:80',
      WEB_SHOP_PORT_80_TCP: 'tcp://10.96.0.9:80',
      WEB_SHOP_PORT_80_TCP_PROTO: 'tcp',
      WEB_SHOP_PORT_80_TCP_PORT: '80',
      WEB_SHOP_PORT_80_TCP_ADDR: '10.96.0.9',
      WEB_SHOP_PORT_53_UDP: 'udp://10.96.0.9:53',
      WEB_SHOP_PORT_53_UDP_PROTO: 'udp',
      WEB_SHOP_PORT_53_UDP_PORT: '53',
      WEB_SHOP_PORT_53_UDP_ADDR: '10.96.0.9',
    });
  });

  test('under names that a variable may have, and with IPv6 addresses in brackets', () => {
    const odd: Service = {
      metadata: { name: '3d.x' },
      spec: { clusterIP: 'fd00::9', ports: [{ port: 80 }] },
    };
    const { _3D_X_PORT, _3D_X_SERVICE_HOST } = told(sources([odd]));
    assert.deepEqual([_3D_X_SERVICE_HOST, _3D_X_PORT], ['fd00::9', 'tcp://[fd00::9]:80']);
  });

  test('but not of those without an address', () => {
    assert.deepEqual(
      told(sources([{ metadata: { name: 'x' }, spec: { clusterIP: 'None', ports: [{ port: 1 }] } }])),
      {},
    );
  });

  test('the API is told of in any case, and as where the server is', () => {
    const api = { host: 'hub', port: 6443 };
    const kubernetes: Service = {
      metadata: { name: 'kubernetes' },
      spec: { clusterIP: '10.96.0.1', ports: [{ port: 443 }] },
    };
    const quiet = told(sources([shop], api), { enableServiceLinks: false });
    assert.equal(quiet['KUBERNETES_SERVICE_HOST'], 'hub');
    assert.equal(quiet['KUBERNETES_SERVICE_PORT'], '6443');
    assert.equal(quiet['KUBERNETES_PORT_6443_TCP_ADDR'], 'hub');
    assert.equal(quiet['WEB_SHOP_SERVICE_HOST'], undefined);
    const inDefault = pod({}, { namespace: 'default' });
    const all = Object.fromEntries(
      serviceVariables(inDefault, sources([kubernetes], api), { sharesHost: false }),
    );
    assert.equal(all['KUBERNETES_SERVICE_HOST'], 'hub');
    assert.equal(all['KUBERNETES_PORT_443_TCP'], undefined);
  });
});

test('a server on the device itself is sent for at an address that a container reaches', () => {
  const place = (host: string, port?: number, targetPort?: number) =>
    findApiServer({
      server: { host },
      tokens: { apiPort: () => port },
      find: () => (targetPort === undefined ? undefined : { spec: { ports: [{ port: 443, targetPort }] } }),
      monitor: { ips: ['192.0.2.7'] },
    });
  const own = { sharesHost: false };
  for (const host of ['127.0.0.1', 'localhost', '::1']) {
    assert.deepEqual(place(host, 6443)('u', own), { host: '192.0.2.7', port: 6443 });
    assert.deepEqual(place(host, 6443)('u', { sharesHost: true }), { host, port: 6443 });
  }
  assert.deepEqual(place('hub', 6443)('u', own), { host: 'hub', port: 6443 });
  assert.deepEqual(place('hub', undefined, 7443)('u', own), { host: 'hub', port: 7443 });
  assert.equal(place('hub')('u', own), undefined);
});
