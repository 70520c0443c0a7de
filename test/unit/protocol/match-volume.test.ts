import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Node, PersistentVolume, PersistentVolumeClaim } from '../../../protocol/generated/models.ts';
import { chooseVolume, mismatch } from '../../../protocol/match-volume.ts';

const claim = (spec: PersistentVolumeClaim['spec'] = {}): PersistentVolumeClaim => ({
  metadata: { namespace: 'ns', name: 'data', uid: 'c1' },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '2Gi' } },
    storageClassName: 'manual',
    ...spec,
  },
});

const volume = (name: string, storage: string, more: PersistentVolume['spec'] = {}): PersistentVolume => ({
  metadata: { name, labels: { disk: name } },
  spec: { accessModes: ['ReadWriteOnce'], capacity: { storage }, storageClassName: 'manual', ...more },
  status: { phase: 'Available' },
});

const onNode = (...values: string[]) => ({
  nodeAffinity: {
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values }] }] },
  },
});

describe('which volume a claim gets', () => {
  const chosen = (volumes: PersistentVolume[], of = claim(), node?: Node) =>
    chooseVolume(of, volumes, node)?.metadata?.name;

  test('the smallest that is large enough', () => {
    const volumes = [volume('large', '10Gi'), volume('small', '1Gi'), volume('fits', '2Gi')];
    assert.equal(chosen(volumes), 'fits');
    assert.equal(chosen(volumes.slice(0, 2)), 'large');
    assert.equal(chosen([volume('small', '1Gi')]), undefined);
  });

  test('one that is held for it, before a better one; never one that is held for another, or an earlier of its name', () => {
    const held = (uid?: string) => ({ claimRef: { namespace: 'ns', name: 'data', ...(uid ? { uid } : {}) } });
    assert.equal(chosen([volume('fits', '2Gi'), volume('held', '9Gi', held())]), 'held');
    assert.equal(chosen([volume('held', '9Gi', held('c1'))]), 'held');
    assert.equal(chosen([volume('held', '9Gi', held('c0'))]), undefined);
    assert.equal(chosen([volume('other', '9Gi', { claimRef: { namespace: 'ns', name: 'x' } })]), undefined);
  });

  test('none of another class, mode or access, none that its selector leaves out, none that is going', () => {
    assert.equal(chosen([volume('fits', '2Gi', { storageClassName: 'fast' })]), undefined);
    assert.equal(chosen([volume('fits', '2Gi', { volumeMode: 'Block' })]), undefined);
    assert.equal(chosen([volume('fits', '2Gi', { accessModes: ['ReadOnlyMany'] })]), undefined);
    const picky = claim({ selector: { matchLabels: { disk: 'b' } } });
    assert.equal(chosen([volume('a', '2Gi'), volume('b', '4Gi')], picky), 'b');
    const going = volume('fits', '2Gi');
    assert.equal(
      chosen([{ ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }]),
      undefined,
    );
    assert.equal(chosen([{ ...going, status: { phase: 'Released' } }]), undefined);
  });

  test('one that the node where it is used can reach', () => {
    const node: Node = { metadata: { name: 'n', labels: { zone: 'west' } } };
    const volumes = [volume('east', '2Gi', onNode('east')), volume('west', '3Gi', onNode('west'))];
    assert.equal(chosen(volumes, claim(), node), 'west');
    assert.equal(chosen(volumes.slice(0, 1), claim(), node), undefined);
    assert.equal(chosen(volumes), 'east');
  });

  test('what stands in the way is said', () => {
    assert.equal(mismatch(volume('v', '1Gi'), claim()), 'requested PV is too small');
    assert.equal(mismatch(volume('v', '2Gi'), claim()), undefined);
  });
});
