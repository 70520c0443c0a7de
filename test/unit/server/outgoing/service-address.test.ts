import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { EndpointSlice, Service } from '../../../../protocol/generated/models.ts';
import { endpointSliceKind } from '../../../../protocol/kinds/endpoint-slice.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import {
  followServiceAddresses,
  ServiceAddressError,
  type ServiceAddresses,
} from '../../../../server/outgoing/service-address.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';

function service(name: string, spec: object): Service {
  return { metadata: { name, namespace: 'shop' }, spec };
}

function slice(name: string, of: string, rest: Partial<EndpointSlice>): EndpointSlice {
  const labels = { 'kubernetes.io/service-name': of };
  return { metadata: { name, namespace: 'shop', labels }, addressType: 'IPv4', endpoints: [], ...rest };
}

async function open(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  use: (find: ServiceAddresses) => void,
) {
  const clock = systemClock;
  await using store = createMemoryStore({ clock });
  const registry = createRegistry({ store, clock, random: seededRandom(1), log: silentLogger, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'shop' } });
  for (const one of services) await registry.create(serviceKind, one);
  for (const one of slices) await registry.create(endpointSliceKind, one);
  await using cache = createCache({ registry, clock, log: silentLogger });
  const find = followServiceAddresses(cache, seededRandom(1));
  await cache.synced();
  use(find);
}

test('a Service is reached at a ready address of its slices, by the port of the same name', async () => {
  const ports = [
    { name: 'https', port: 443 },
    { name: 'metrics', port: 9090 },
  ];
  const endpoints = [
    { addresses: ['10.0.0.1'], conditions: { ready: false } },
    { addresses: ['10.0.0.2'], conditions: { ready: true } },
    { addresses: ['10.0.0.3'] },
  ];
  const slices = [slice('a', 'web', { ports: [{ name: 'https', port: 8443 }], endpoints })];
  await open([service('web', { ports })], slices, (find) => {
    const found = Array.from({ length: 50 }, () => find({ namespace: 'shop', name: 'web', port: 443 }));
    assert.deepEqual([...new Set(found.map(({ host }) => host))].sort(), ['10.0.0.2', '10.0.0.3']);
    assert.deepEqual({ ...found[0], host: '' }, { host: '', port: 8443, serverName: 'web.shop.svc' });
  });
});

test('an ExternalName is reached at that name and the port that was asked for', async () => {
  const external = service('web', { type: 'ExternalName', externalName: 'hooks.example' });
  await open([external], [], (find) => {
    const expected = { host: 'hooks.example', port: 9443, serverName: 'web.shop.svc' };
    assert.deepEqual(find({ namespace: 'shop', name: 'web', port: 9443 }), expected);
  });
});

test('what is missing is told: the Service, its port, its slices, a ready address', async () => {
  const ports = [{ port: 443 }];
  const away = slice('away', 'away', {
    ports: [{ port: 8443 }],
    endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: false } }],
  });
  await open([service('alone', { ports }), service('away', { ports })], [away], (find) => {
    const fault = (name: string, port: number) => {
      try {
        find({ namespace: 'shop', name, port });
      } catch (error) {
        assert.ok(error instanceof ServiceAddressError);
        return `${error.code}: ${error.message}`;
      }
      return 'none';
    };
    assert.equal(fault('none', 443), 'ServiceNotFound: service/none in "shop" is not present');
    assert.equal(fault('alone', 80), 'ServicePortError: service/alone in "shop" is not listening on port 80');
    assert.equal(
      fault('alone', 443),
      'EndpointsNotFound: cannot find endpointslices for service/alone in "shop"',
    );
    assert.equal(
      fault('away', 443),
      'MissingEndpoints: endpointslices for service/away in "shop" have no addresses with port name ""',
    );
  });
});
