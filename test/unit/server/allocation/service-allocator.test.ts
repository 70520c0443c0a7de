import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { Service, ServiceSpec } from '../../../../protocol/generated/models.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { serviceKind } from '../../../../protocol/kinds/service.ts';
import { heldBy } from '../../../../protocol/kinds/service-fields.ts';
import { readAddressRanges, readPortRange } from '../../../../server/allocation/read-ranges.ts';
import { serviceAllocator } from '../../../../server/allocation/service-allocator.ts';
import type { Admission } from '../../../../server/registry/admission.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import type { Store } from '../../../../server/store/store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const clock = new ManualClock();

/** A registry over `store`, as a server that starts has it. */
function openRegistry(
  store: Store,
  {
    cidr = '10.96.0.0/28',
    ports = '30000-30009',
    seed = 1,
    admission,
  }: { cidr?: string; ports?: string; seed?: number; admission?: Admission } = {},
): Registry {
  const allocator = serviceAllocator({
    addresses: readAddressRanges(cidr),
    nodePorts: readPortRange(ports),
    random: seededRandom(seed),
  });
  const random = seededRandom(seed + 1);
  const reviewed = admission ? { admission } : {};
  return createRegistry({
    store,
    clock,
    random,
    log: silentLogger,
    kinds,
    allocators: [allocator],
    ...reviewed,
  });
}

async function open(options: Parameters<typeof openRegistry>[1] = {}) {
  const store = createMemoryStore({ clock });
  const registry = openRegistry(store, options);
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  const create = (name: string, spec: ServiceSpec) => registry.create(serviceKind, serviceOf(name, spec));
  const update = (name: string, change: (spec: ServiceSpec) => void) =>
    registry.mutate(serviceKind, at(name), (draft) => change((draft.spec ??= {})));
  const remove = (name: string) => registry.delete(serviceKind, at(name));
  const claims = async () =>
    (await store.list('/claims/')).entries.map(({ key }) => key.slice('/claims/'.length));
  return { store, registry, create, update, remove, claims };
}

const at = (name: string) => ({ namespace: 'default', name });
const ports = [{ port: 80 }];
function serviceOf(name: string, spec: ServiceSpec): Service {
  return { metadata: at(name), spec: { ports: structuredClone(ports), ...spec } };
}

describe('a service’s address', () => {
  it('is known to whoever validates, who may still refuse, and then nothing is held', async () => {
    const seen: (string | undefined)[] = [];
    const admission: Admission = {
      reviewOf: ({ kind }) =>
        kind.plural !== 'services'
          ? undefined
          : {
              admit: async ({ object }) => void seen.push((object as Service).spec?.clusterIP),
              validate: async ({ object }) => {
                seen.push((object as Service).spec?.clusterIP);
                if (object?.metadata?.name === 'bad') throw new Error('no');
                return () => {};
              },
            },
    };
    const { create, claims } = await open({ admission });
    const service = await create('good', {});
    assert.deepEqual(seen, [undefined, service.spec?.clusterIP]);
    const before = await claims();
    await assert.rejects(create('bad', {}), /no/);
    assert.match(seen.at(-1) ?? '', /^10\.96\.0\./);
    assert.deepEqual(await claims(), before);
  });

  it('comes from the range, neither its first nor its last', async () => {
    const { create } = await open();
    const given = new Set<string>();
    for (let index = 0; index < 13; index++) given.add((await create(`s${index}`, {})).spec?.clusterIP ?? '');
    const all = Array.from({ length: 13 }, (_, index) => `10.96.0.${index + 2}`);
    assert.deepEqual([...given].sort(), all.sort());
    await assert.rejects(create('more', {}), /failed to allocate a serviceIP: range is full/);
  });

  it('may be chosen, once', async () => {
    const { create, remove } = await open();
    const { spec } = await create('a', { clusterIP: '10.96.0.1' });
    assert.deepEqual(spec?.clusterIPs, ['10.96.0.1']);
    assert.deepEqual([spec?.ipFamilies, spec?.ipFamilyPolicy], [['IPv4'], 'SingleStack']);
    await assert.rejects(
      create('b', { clusterIP: '10.96.0.1' }),
      /^StatusError: Service "b" is invalid: spec.clusterIPs: Invalid value: \["10.96.0.1"\]: failed to allocate IP 10.96.0.1: provided IP is already allocated$/,
    );
    await assert.rejects(
      create('b', { clusterIP: '10.97.0.1' }),
      /the provided IP \(10.97.0.1\) is not in the valid range. The range of valid IPs is 10.96.0.0\/28$/,
    );
    await remove('a');
    assert.equal((await create('b', { clusterIP: '10.96.0.1' })).spec?.clusterIP, '10.96.0.1');
  });

  it('is not for who has no use for one', async () => {
    const { create, claims } = await open();
    const headless = await create('headless', { clusterIP: 'None', selector: { a: 'b' } });
    assert.deepEqual([headless.spec?.clusterIP, headless.spec?.clusterIPs], ['None', ['None']]);
    const named = await create('named', { type: 'ExternalName', externalName: 'a.b' });
    assert.equal(named.spec?.clusterIP, undefined);
    assert.deepEqual(await claims(), []);
  });

  it('goes with the type and comes with it', async () => {
    const { create, update, claims } = await open();
    const { spec } = await create('a', { type: 'NodePort' });
    assert.deepEqual((await claims()).sort(), [
      `addresses/${spec?.clusterIP}`,
      `node-ports/${spec?.ports?.[0]?.nodePort}`,
    ]);
    const plain = await update('a', (draft) => (draft.type = 'ClusterIP'));
    assert.deepEqual([plain.spec?.clusterIP, plain.spec?.ports?.[0]?.nodePort], [spec?.clusterIP, undefined]);
    assert.deepEqual(await claims(), [`addresses/${spec?.clusterIP}`]);
    const named = await update('a', (draft) =>
      Object.assign(draft, { type: 'ExternalName', externalName: 'x.y' }),
    );
    assert.deepEqual(
      [named.spec?.clusterIP, named.spec?.clusterIPs, named.spec?.ipFamilies],
      [undefined, undefined, undefined],
    );
    assert.deepEqual(await claims(), []);
    const again = await update('a', (draft) => (draft.type = 'ClusterIP'));
    assert.deepEqual(await claims(), [`addresses/${again.spec?.clusterIP}`]);
  });

  it('is shown by a dry run and not taken', async () => {
    const { registry, claims } = await open();
    const shown = await registry.create(serviceKind, serviceOf('a', { type: 'NodePort' }), { dryRun: true });
    assert.match(shown.spec?.clusterIP ?? '', /^10\.96\.0\./);
    assert.deepEqual(await claims(), []);
  });

  it('is one of each family where both are asked for', async () => {
    const { create, update } = await open({ cidr: '10.96.0.0/24,fd00:96::/112' });
    const both = await create('both', { ipFamilyPolicy: 'PreferDualStack' });
    assert.deepEqual(both.spec?.ipFamilies, ['IPv4', 'IPv6']);
    assert.match(both.spec?.clusterIPs?.join(' ') ?? '', /^10\.96\.0\.\d+ fd00:96::[0-9a-f]+$/);
    const one = await create('one', {});
    assert.deepEqual(one.spec?.ipFamilies, ['IPv4']);
    const more = await update('one', (spec) => (spec.ipFamilyPolicy = 'RequireDualStack'));
    assert.equal(more.spec?.clusterIPs?.[0], one.spec?.clusterIP);
    assert.equal(more.spec?.clusterIPs?.length, 2);
    const less = await update('one', (spec) => (spec.ipFamilyPolicy = 'SingleStack'));
    assert.deepEqual(less.spec?.clusterIPs, [one.spec?.clusterIP]);
    const single = await open();
    await assert.rejects(
      single.create('x', { ipFamilyPolicy: 'RequireDualStack' }),
      /spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services/,
    );
    await assert.rejects(
      single.create('x', { ipFamilies: ['IPv6'] }),
      /spec.ipFamilies\[0\]: Invalid value: "IPv6": not configured on this cluster/,
    );
  });
});

describe('a service’s node ports', () => {
  it('come from the range, stay with their port’s name, and may be chosen once', async () => {
    const { create, update } = await open();
    const { spec } = await create('a', {
      type: 'NodePort',
      ports: [{ name: 'web', port: 80, nodePort: 30003 }],
    });
    assert.equal(spec?.ports?.[0]?.nodePort, 30003);
    const more = await update('a', (draft) => {
      draft.ports = [
        { name: 'more', port: 81 },
        { name: 'web', port: 8080 },
      ];
    });
    assert.equal(more.spec?.ports?.[1]?.nodePort, 30003);
    assert.notEqual(more.spec?.ports?.[0]?.nodePort, 30003);
    await assert.rejects(
      create('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30003 }] }),
      /spec.ports\[0\].nodePort: Invalid value: 30003: provided port is already allocated$/,
    );
    await assert.rejects(
      create('b', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] }),
      /spec.ports\[0\].nodePort: Invalid value: 80: the provided port is not in the valid range. The range of valid ports is 30000-30009$/,
    );
  });

  it('are shared by the protocols of one port', async () => {
    const { create } = await open();
    const dns = await create('dns', {
      type: 'NodePort',
      ports: [
        { name: 'u', port: 53, protocol: 'UDP' },
        { name: 't', port: 53, protocol: 'TCP' },
      ],
    });
    const [udp, tcp] = dns.spec?.ports ?? [];
    assert.equal(udp?.nodePort, tcp?.nodePort);
  });

  it('hold the health check’s, while there is one', async () => {
    const { create, update, claims } = await open();
    const { spec } = await create('a', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
    assert.ok(spec?.healthCheckNodePort);
    assert.equal((await claims()).length, 3);
    const without = await update('a', (draft) => (draft.externalTrafficPolicy = 'Cluster'));
    assert.equal(without.spec?.healthCheckNodePort, undefined);
    assert.equal((await claims()).length, 2);
  });

  it('are not given to a load balancer that wants none', async () => {
    const { create } = await open();
    const { spec } = await create('a', { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false });
    assert.equal(spec?.ports?.[0]?.nodePort, undefined);
  });

  it('end in words when all are taken', async () => {
    const { create } = await open({ ports: '30000-30001' });
    await create('a', { type: 'NodePort' });
    await create('b', { type: 'NodePort' });
    await assert.rejects(create('c', { type: 'NodePort' }), /failed to allocate a nodePort: range is full/);
  });
});

describe('nothing is held twice', () => {
  const types = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
  const step = fc.record({
    name: fc.integer({ min: 0, max: 7 }).map((number) => `s${number}`),
    what: fc.constantFrom('create', 'change', 'delete', 'restart'),
    type: fc.constantFrom(...types),
    port: fc.option(fc.integer({ min: 30_000, max: 30_004 }), { nil: undefined }),
    address: fc.option(
      fc.integer({ min: 2, max: 6 }).map((last) => `10.96.0.${last}`),
      { nil: undefined },
    ),
  });

  it('by any services, in races, or after a restart; and nothing stays held by nobody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { maxLength: 8 }),
        async (rounds) => {
          const opened = await open();
          let { registry } = opened;
          for (const [index, round] of rounds.entries()) {
            await Promise.allSettled(
              round.map(async ({ name, what, type, port, address }) => {
                if (what === 'restart') registry = openRegistry(opened.store, { seed: index });
                else if (what === 'delete') await registry.delete(serviceKind, at(name));
                else if (what === 'create') {
                  const chosen = address && type !== 'ExternalName' ? { clusterIP: address } : {};
                  const nodePort = type === 'ClusterIP' || !port ? {} : { nodePort: port };
                  const spec = { type, externalName: 'a.b', ports: [{ port: 80, ...nodePort }], ...chosen };
                  await registry.create(serviceKind, serviceOf(name, spec));
                } else {
                  const change = (draft: Service) =>
                    void Object.assign((draft.spec ??= {}), { type, externalName: 'a.b' });
                  await registry.mutate(serviceKind, at(name), change);
                }
              }),
            );
            const { items } = await registry.list(serviceKind);
            const held = items.flatMap((service) => {
              const { addresses, ports: own } = heldBy(service);
              return [
                ...addresses.map((one) => `addresses/${one}`),
                ...own.map((one) => `node-ports/${one}`),
              ];
            });
            assert.equal(new Set(held).size, held.length, 'held twice');
            assert.deepEqual((await opened.claims()).sort(), held.sort());
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
