import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { daemonSetKind } from '../../../../protocol/kinds/daemon-set.ts';
import { deploymentKind } from '../../../../protocol/kinds/deployment.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { secretKind } from '../../../../protocol/kinds/secret.ts';
import { type Hand, openHand } from './hand-device.ts';

const labels = { app: 'web' };
const templateOf = (image: string, spec: object = {}) => ({
  metadata: { labels },
  spec: { containers: [{ name: 'main', image }], ...spec },
});
const specOf = (image: string) => ({ selector: { matchLabels: labels }, template: templateOf(image) });
const ownedBy = (kind: string, name: string) => ({
  metadata: {
    labels: { 'pod-template-hash': 'abc' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind, name, uid: 'o', controller: true }],
  },
  spec: { containers: [{ name: 'main', image: 'web:1' }] },
});
const at = { namespace: 'default', name: 'web' };

async function handWith(): Promise<{ hand: Hand; device: ReturnType<Hand['device']> }> {
  const hand = await openHand();
  const device = hand.device('n1');
  await device.hello();
  await device.index(device.asks.at(-1)?.request ?? '', []);
  return { hand, device };
}

suite('what is coming to a device', () => {
  test('is told with the secrets for it when a template changes, and taken back with the old pod', async () => {
    const { hand, device } = await handWith();
    const { registry, clock } = hand;
    await registry.create(daemonSetKind, { metadata: at, spec: specOf('web:1') });
    await registry.create(secretKind, { metadata: { ...at, name: 'pull' }, type: 'Opaque' });
    await hand.bindPod('a', 'n1', ownedBy('DaemonSet', 'web'));
    const keys = () => device.sets.flatMap(({ put }) => put.map(({ key }) => key));
    assert.ok(!keys().some((key) => key.startsWith('Coming/')), 'it has what it needs');
    await registry.mutate(daemonSetKind, at, ({ spec }) => {
      if (spec) spec.template = templateOf('web:2', { imagePullSecrets: [{ name: 'pull' }] });
    });
    await clock.advance(20);
    const entry = device.sets.at(-1)?.put.find(({ key }) => key === 'Coming/DaemonSet/default/web');
    assert.deepEqual(entry?.object['containers'], [
      { name: 'main', image: 'web:2', imagePullPolicy: 'IfNotPresent' },
    ]);
    assert.ok(entry);
    assert.equal((entry.object['pods'] as string[]).length, 1);
    assert.ok(keys().includes('Secret/default/pull'));
    await registry.delete(podKind, { ...at, name: 'a' }, { gracePeriodSeconds: 0 });
    await clock.advance(20);
    assert.ok(device.sets.at(-1)?.del.includes('Coming/DaemonSet/default/web'));
    assert.ok(device.sets.at(-1)?.del.includes('Secret/default/pull'));
  });

  test('of a Deployment is found by the ReplicaSet that a pod is of; one that is paused or has a surge brings nothing', async () => {
    const { hand, device } = await handWith();
    const { registry, clock } = hand;
    await registry.create(deploymentKind, {
      metadata: at,
      spec: { ...specOf('web:1'), paused: true, strategy: { type: 'RollingUpdate' } },
    });
    await hand.bindPod('a', 'n1', ownedBy('ReplicaSet', 'web-abc'));
    await registry.mutate(deploymentKind, at, ({ spec }) => {
      if (spec) spec.template = templateOf('web:2');
    });
    await clock.advance(20);
    const coming = () => device.sets.some(({ put }) => put.some(({ key }) => key.startsWith('Coming/')));
    assert.equal(coming(), false);
    await registry.mutate(deploymentKind, at, ({ spec }) => {
      if (spec) delete spec.paused;
    });
    await clock.advance(20);
    assert.equal(coming(), false);
    await registry.mutate(deploymentKind, at, ({ spec }) => {
      if (spec) spec.strategy = { type: 'Recreate' };
    });
    await clock.advance(20);
    assert.equal(coming(), true);
  });
});
