import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PersistentVolumeClaim } from '../../../../../protocol/generated/models.ts';
import { ingressKind } from '../../../../../protocol/kinds/ingress.ts';
import { ingressClassKind } from '../../../../../protocol/kinds/ingress-class.ts';
import { persistentVolumeClaimKind } from '../../../../../protocol/kinds/persistent-volume-claim.ts';
import { storageClassKind } from '../../../../../protocol/kinds/storage-class.ts';
import { defaultIngressClass } from '../../../../../server/admission/plugins/default-ingress-class.ts';
import { defaultStorageClass } from '../../../../../server/admission/plugins/default-storage-class.ts';
import { persistentVolumeClaimResize } from '../../../../../server/admission/plugins/persistent-volume-claim-resize.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';
import { refused } from '../../registry/registry-fixture.ts';
import { openAdmission } from '../admission-fixture.ts';

const claim = (name: string, spec: object = {}): PersistentVolumeClaim => ({
  metadata: { namespace: 'default', name },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
});
const storageClass = (name: string, annotations: Record<string, string>, rest: object = {}) => ({
  metadata: { name, annotations },
  provisioner: 'example.dev/disk',
  ...rest,
});

describe('DefaultStorageClass', () => {
  test('a claim that names no class gets the default one; of several the newest, or the first by name', async () => {
    const clock = new ManualClock();
    await using fixture = await openAdmission({ plugins: [defaultStorageClass], clock });
    const classOf = async (name: string, spec: object = {}) =>
      (await fixture.registry.create(persistentVolumeClaimKind, claim(name, spec))).spec?.storageClassName;
    assert.equal(await classOf('a'), undefined);
    const mark = { 'storageclass.kubernetes.io/is-default-class': 'true' };
    await fixture.createSeen(storageClassKind, storageClass('slow', {}));
    await fixture.createSeen(storageClassKind, storageClass('fast', mark));
    assert.equal(await classOf('b'), 'fast');
    assert.equal(await classOf('c', { storageClassName: '' }), '');
    assert.equal(await classOf('d', { storageClassName: 'slow' }), 'slow');
    await fixture.createSeen(storageClassKind, storageClass('able', mark));
    assert.equal(await classOf('e'), 'able');
    await clock.advance(1_000);
    await fixture.createSeen(storageClassKind, storageClass('new', mark));
    assert.equal(await classOf('f'), 'new');
  });
});

describe('DefaultIngressClass', () => {
  test('an ingress that names no class gets the default one', async () => {
    await using fixture = await openAdmission({ plugins: [defaultIngressClass] });
    await fixture.createSeen(ingressClassKind, {
      metadata: { name: 'edge', annotations: { 'ingressclass.kubernetes.io/is-default-class': 'true' } },
      spec: { controller: 'example.dev/edge' },
    });
    const ingress = (name: string, annotations: Record<string, string> = {}) => ({
      metadata: { namespace: 'default', name, annotations },
      spec: { defaultBackend: { service: { name: 'a', port: { number: 80 } } } },
    });
    const given = await fixture.registry.create(ingressKind, ingress('a'));
    assert.equal(given.spec?.ingressClassName, 'edge');
    const old = await fixture.registry.create(
      ingressKind,
      ingress('b', { 'kubernetes.io/ingress.class': 'x' }),
    );
    assert.equal(old.spec?.ingressClassName, undefined);
  });
});

describe('PersistentVolumeClaimResize', () => {
  test('a claim grows when it is bound and its class lets it', async () => {
    await using fixture = await openAdmission({ plugins: [persistentVolumeClaimResize] });
    const { registry } = fixture;
    await registry.create(storageClassKind, storageClass('stiff', {}));
    await registry.create(storageClassKind, storageClass('soft', {}, { allowVolumeExpansion: true }));
    const grow = (name: string) =>
      registry.mutate(persistentVolumeClaimKind, { namespace: 'default', name }, (draft) => {
        (draft.spec ??= {}).resources = { requests: { storage: '2Gi' } };
      });
    for (const name of ['stiff', 'soft']) {
      await registry.create(
        persistentVolumeClaimKind,
        claim(name, { storageClassName: name, volumeName: 'v' }),
      );
      const bind = (draft: PersistentVolumeClaim) => void (draft.status = { phase: 'Bound' });
      const at = { namespace: 'default', name };
      await registry.mutate(persistentVolumeClaimKind, at, bind, { subresource: 'status' });
    }
    await assert.rejects(
      grow('stiff'),
      refused('Forbidden', /the storageclass that provisions the pvc must support resize$/),
    );
    await grow('soft');
  });
});
