import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Pod, ResourceResourceClaim, ResourceSlice } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { resourceClaimKind } from '../../../protocol/kinds/resource-claim.ts';
import { resourceClaimTemplateKind } from '../../../protocol/kinds/resource-claim-template.ts';
import { resourceSliceKind } from '../../../protocol/kinds/resource-slice.ts';
import { ControlPlane, isReady } from './control-plane.ts';
import { deployment, pod, podSpec } from './workloads.ts';

const driver = 'usb.flotilla.dev';
const requests = [{ name: 'stick', exactly: { deviceClassName: driver } }];

function slice(node: string, names: readonly string[]): ResourceSlice {
  return {
    metadata: { name: `${node}-${driver}` },
    spec: {
      driver,
      nodeName: node,
      pool: { name: node, generation: 1, resourceSliceCount: 1 },
      devices: names.map((name) => ({ name, attributes: { vendor: { string: '0403' } } })),
    },
  };
}

function claim(name: string): ResourceResourceClaim {
  return { metadata: { name, namespace: 'default' }, spec: { devices: { requests } } };
}

function using(name: string, claimName: string): Pod {
  return pod(name, '10m', { resourceClaims: [{ name: 'stick', resourceClaimName: claimName }] });
}

async function claims(plane: ControlPlane): Promise<ResourceResourceClaim[]> {
  return (await plane.registry.list<ResourceResourceClaim>(resourceClaimKind, { namespace: 'default' }))
    .items;
}

/** Each device that some claim holds, as often as one does. */
async function held(plane: ControlPlane): Promise<string[]> {
  return (await claims(plane))
    .flatMap(({ status }) => status?.allocation?.devices?.results ?? [])
    .map(({ pool, device }) => `${pool}/${device}`)
    .sort();
}

async function makeTemplate(plane: ControlPlane): Promise<void> {
  await plane.registry.create(resourceClaimTemplateKind, {
    metadata: { name: 'stick', namespace: 'default' },
    spec: { spec: { devices: { requests } } },
  });
}

const templated = podSpec('10m', 'v1', {
  resourceClaims: [{ name: 'stick', resourceClaimTemplateName: 'stick' }],
});

suite('claims of devices', () => {
  test('a pod goes where its device is; the claim is reserved for it, and free when it is gone', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(resourceSliceKind, slice('b', ['s1']));
    await plane.registry.create(resourceClaimKind, claim('mine'));
    await plane.registry.create(podKind, using('web', 'mine'));
    await plane.until('it runs', async () => isReady((await plane.find(podKind, 'web')) ?? {}));
    const found = await plane.find(podKind, 'web');
    assert.equal(found?.spec?.nodeName, 'b');
    const [mine] = await claims(plane);
    assert.deepEqual(mine?.status?.reservedFor, [
      { resource: 'pods', name: 'web', uid: found?.metadata?.uid },
    ]);
    assert.deepEqual(mine?.metadata?.finalizers, ['resource.kubernetes.io/delete-protection']);
    await plane.registry.delete(resourceClaimKind, { namespace: 'default', name: 'mine' });
    await plane.untilQuiet();
    assert.deepEqual(await held(plane), ['b/s1'], 'a claim in use stays');
    await plane.registry.delete(podKind, { namespace: 'default', name: 'web' });
    await plane.until('the claim is gone', async () => (await claims(plane)).length === 0);
  });

  test('a pod that waits says why, and goes when a device is plugged in', async () => {
    await using plane = await ControlPlane.start(['a']);
    await plane.registry.create(resourceClaimKind, claim('mine'));
    await plane.registry.create(podKind, using('web', 'mine'));
    await plane.until('the reason', async () => {
      const { conditions = [] } = (await plane.find<Pod>(podKind, 'web'))?.status ?? {};
      return conditions.some(({ message = '' }) => /1 cannot allocate all claims/.test(message));
    });
    await plane.registry.create(resourceSliceKind, slice('a', ['s1']));
    await plane.until('it runs', async () => isReady((await plane.find(podKind, 'web')) ?? {}), 5_000);
  });

  test('pods that share a claim share its device, on its node', async () => {
    await using plane = await ControlPlane.start(['a', 'b']);
    await plane.registry.create(resourceSliceKind, slice('a', ['s1']));
    await plane.registry.create(resourceSliceKind, slice('b', ['s1']));
    await plane.registry.create(resourceClaimKind, claim('shared'));
    for (const name of ['one', 'two', 'three']) await plane.registry.create(podKind, using(name, 'shared'));
    await plane.until('all run', async () => (await plane.pods()).filter(isReady).length === 3);
    assert.equal(new Set((await plane.pods()).map(({ spec }) => spec?.nodeName)).size, 1);
    assert.equal((await held(plane)).length, 1);
  });

  test('replicas get a claim each of a template, no device twice, also over a crash', async () => {
    await using plane = await ControlPlane.start(['a', 'b', 'c']);
    for (const node of ['a', 'b', 'c'])
      await plane.registry.create(resourceSliceKind, slice(node, ['s1', 's2']));
    await makeTemplate(plane);
    await plane.registry.create(deploymentKind, deployment('web', { replicas: 8 }, templated));
    await plane.until('some are allocated', async () => (await held(plane)).length > 1);
    await plane.crash();
    await plane.startWork();
    await plane.until('six run', async () => (await plane.pods()).filter(isReady).length === 6);
    const all = await held(plane);
    assert.equal(new Set(all).size, 6);
    assert.equal(all.length, 6);
    assert.equal((await claims(plane)).length, 8, 'one claim a pod');
    const [first] = (await plane.pods()).filter(isReady);
    await plane.registry.delete(podKind, { namespace: 'default', name: first?.metadata?.name ?? '' });
    await plane.until(
      'another has its place',
      async () => (await plane.pods()).filter(isReady).length === 6,
      20_000,
    );
    assert.equal(new Set(await held(plane)).size, (await held(plane)).length);
  });

  test('a device that is unplugged shows in its claim, and again when it is back', async () => {
    await using plane = await ControlPlane.start(['a']);
    await plane.registry.create(resourceSliceKind, slice('a', ['s1', 's2']));
    await plane.registry.create(resourceClaimKind, claim('mine'));
    await plane.registry.create(podKind, using('web', 'mine'));
    const shown = async () => (await claims(plane))[0]?.status?.devices?.[0]?.conditions?.[0]?.reason;
    await plane.until('it is shown', async () => (await shown()) === 'DevicePresent');
    const name = `a-${driver}`;
    const change = (devices: string[]) =>
      plane.registry.mutate<ResourceSlice>(resourceSliceKind, { name }, (draft) => {
        draft.spec = slice('a', devices).spec;
      });
    await change(['s2']);
    await plane.until('it is gone', async () => (await shown()) === 'DeviceGone');
    await change(['s1', 's2']);
    await plane.until('it is back', async () => (await shown()) === 'DevicePresent');
  });

  test('a class that does not exist, and an expression that makes no sense, are told', async () => {
    await using plane = await ControlPlane.start(['a']);
    await plane.registry.create(resourceSliceKind, slice('a', ['s1']));
    const bad = claim('bad');
    bad.spec = { devices: { requests: [{ name: 'stick', exactly: { deviceClassName: 'none' } }] } };
    await plane.registry.create(resourceClaimKind, bad);
    await plane.registry.create(podKind, using('web', 'bad'));
    await plane.until('the reason', async () => {
      const { conditions = [] } = (await plane.find<Pod>(podKind, 'web'))?.status ?? {};
      return conditions.some(({ message = '' }) => /device class none does not exist/.test(message));
    });
  });

  test('a pod whose binding failed holds no device for ever', async () => {
    await using plane = await ControlPlane.start(['a']);
    await plane.registry.create(resourceSliceKind, slice('a', ['s1']));
    await plane.registry.create(resourceClaimKind, claim('mine'));
    await plane.registry.create(podKind, pod('lost', '10m', { nodeSelector: { no: 'where' } }));
    const lost = await plane.find(podKind, 'lost');
    await plane.registry.mutate<ResourceResourceClaim>(
      resourceClaimKind,
      { namespace: 'default', name: 'mine' },
      (draft) => {
        const results = [{ request: 'stick', driver, pool: 'a', device: 's1' }];
        const reservedFor = [{ resource: 'pods', name: 'lost', uid: lost?.metadata?.uid ?? '' }];
        draft.status = { allocation: { devices: { results } }, reservedFor };
      },
      { subresource: 'status' },
    );
    await plane.untilQuiet();
    assert.deepEqual(await held(plane), ['a/s1']);
    await plane.until('it is free', async () => (await held(plane)).length === 0, 70_000);
  });

  test('a pod that somebody bound shares what is allocated on its node', async () => {
    await using plane = await ControlPlane.start(['a']);
    await plane.registry.create(resourceSliceKind, slice('a', ['s1']));
    await plane.registry.create(resourceClaimKind, claim('shared'));
    await plane.registry.create(podKind, using('one', 'shared'));
    await plane.until('it is allocated', async () => (await held(plane)).length === 1);
    const bound = using('two', 'shared');
    if (bound.spec) bound.spec.nodeName = 'a';
    await plane.registry.create(podKind, bound);
    await plane.until(
      'both are users',
      async () => (await claims(plane))[0]?.status?.reservedFor?.length === 2,
    );
  });
});
