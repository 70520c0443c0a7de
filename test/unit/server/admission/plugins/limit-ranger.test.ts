import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LimitRangeItem } from '../../../../../protocol/generated/models.ts';
import { limitRangeKind } from '../../../../../protocol/kinds/limit-range.ts';
import { persistentVolumeClaimKind } from '../../../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../../../protocol/kinds/pod.ts';
import { limitRanger } from '../../../../../server/admission/plugins/limit-ranger.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission, pod } from '../admission-fixture.ts';

async function open(...limits: LimitRangeItem[]) {
  const fixture = await openAdmission({ plugins: [limitRanger] });
  await fixture.createSeen(limitRangeKind, {
    metadata: { namespace: 'default', name: 'limits' },
    spec: { limits },
  });
  const create = (resources: object, spec: object = {}) =>
    fixture.registry.create(
      podKind,
      pod('p', { containers: [{ name: 'a', image: 'a', resources }], ...spec }),
    );
  return { fixture, create };
}

const refusedFor = (why: string) => refused('Forbidden', `pods "p" is forbidden: ${why}`);

describe('LimitRanger', () => {
  test('a container gets the defaults it says nothing about, and the pod is told', async () => {
    const { fixture, create } = await open({
      type: 'Container',
      default: { cpu: '500m', memory: '64Mi' },
      defaultRequest: { cpu: '100m' },
    });
    await using _fixture = fixture;
    const created = await create(
      { requests: { memory: '32Mi' } },
      { initContainers: [{ name: 'i', image: 'i', resources: { limits: { cpu: '1', memory: '1Mi' } } }] },
    );
    assert.deepEqual(created.spec?.containers[0]?.resources, {
      requests: { memory: '32Mi', cpu: '100m' },
      limits: { cpu: '500m', memory: '64Mi' },
    });
    assert.deepEqual(created.spec?.initContainers?.[0]?.resources?.requests, { cpu: '1', memory: '1Mi' });
    assert.equal(
      created.metadata?.annotations?.['kubernetes.io/limit-ranger'],
      'LimitRanger plugin set: cpu request for container a; cpu, memory limit for container a',
    );
    assert.equal(created.status?.qosClass, 'Burstable');
  });

  test('a container stays within minimum, maximum and ratio; all faults are told at once', async () => {
    const { fixture, create } = await open({
      type: 'Container',
      min: { cpu: '100m' },
      max: { cpu: '1', memory: '1Gi' },
      default: { memory: '512Mi' },
      maxLimitRequestRatio: { cpu: '2' },
    });
    await using _fixture = fixture;
    await create({ requests: { cpu: '500m' }, limits: { cpu: '1' } });
    await assert.rejects(
      create({ requests: { cpu: '50m' }, limits: { cpu: '100m' } }),
      refusedFor('minimum cpu usage per Container is 100m, but request is 50m'),
    );
    await assert.rejects(
      create({ requests: { cpu: '2' }, limits: { cpu: '2', memory: '2Gi' } }),
      refusedFor(
        '[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi]',
      ),
    );
    await assert.rejects(
      create({ requests: { cpu: '100m' }, limits: { cpu: '400m' } }),
      refusedFor('cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000'),
    );
  });

  test('a pod is held to its sum', async () => {
    const { fixture, create } = await open({ type: 'Pod', max: { memory: '100Mi' } });
    await using _fixture = fixture;
    const resources = { limits: { memory: '60Mi' } };
    await create(resources);
    await assert.rejects(
      create(resources, { containers: ['a', 'b'].map((name) => ({ name, image: name, resources })) }),
      refusedFor('maximum memory usage per Pod is 100Mi, but limit is 120Mi'),
    );
    await assert.rejects(
      create({}),
      refusedFor('maximum memory usage per Pod is 100Mi.  No limit is specified'),
    );
  });

  test('a claim is held to its size, when it is made and when it grows', async () => {
    const { fixture } = await open({
      type: 'PersistentVolumeClaim',
      min: { storage: '1Gi' },
      max: { storage: '2Gi' },
    });
    await using _fixture = fixture;
    const claim = (storage: string) => ({
      metadata: { namespace: 'default', name: 'c' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
    });
    const refusedClaim = (why: string) =>
      refused('Forbidden', `persistentvolumeclaims "c" is forbidden: ${why}`);
    await assert.rejects(
      fixture.registry.create(persistentVolumeClaimKind, claim('512Mi')),
      refusedClaim('minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi'),
    );
    await fixture.registry.create(persistentVolumeClaimKind, claim('2Gi'));
    await assert.rejects(
      fixture.registry.create(persistentVolumeClaimKind, claim('3Gi')),
      refusedClaim('maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi'),
    );
  });

  test('other namespaces and pods that are there already are left alone', async () => {
    const { fixture } = await open({ type: 'Container', max: { cpu: '1' } });
    await using opened = fixture;
    const elsewhere = pod('p', {}, { namespace: 'other' });
    await opened.registry.create(podKind, elsewhere);
    assert.equal(
      opened.admission.reviewOf({
        kind: podKind,
        operation: 'UPDATE',
        subresource: '',
        namespace: 'default',
        user: { name: 'dev', groups: [] },
      }),
      undefined,
    );
  });
});
