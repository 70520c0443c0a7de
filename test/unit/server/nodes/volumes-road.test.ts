import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localVolumes } from '../../../../protocol/kinds/local-volumes.ts';
import { persistentVolumeKind } from '../../../../protocol/kinds/persistent-volume.ts';
import { persistentVolumeClaimKind } from '../../../../protocol/kinds/persistent-volume-claim.ts';
import { serviceAccountKind } from '../../../../protocol/kinds/service-account.ts';
import type { Message } from '../../../../protocol/topics/define-topic.ts';
import { tokenGrant, tokenRequest } from '../../../../protocol/topics/tokens.ts';
import { volumeReclaimed } from '../../../../protocol/topics/volumes.ts';
import { type Hand, openHand } from './hand-device.ts';

/** What devices hear of volumes and tokens, and whom they get them for. */
const claimAt = { namespace: 'default', name: 'data' };

async function boundClaim({ registry }: Hand, node: string): Promise<string> {
  const claim = await registry.create(persistentVolumeClaimKind, {
    metadata: claimAt,
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Gi' } },
      volumeName: 'v1',
    },
  });
  const uid = claim.metadata?.uid ?? '';
  const made = await registry.create(persistentVolumeKind, {
    metadata: { name: 'v1', finalizers: [localVolumes.finalizer] },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      claimRef: { ...claimAt, uid },
      csi: { driver: localVolumes.driver, volumeHandle: 'v1', volumeAttributes: { node } },
      persistentVolumeReclaimPolicy: 'Delete',
    },
  });
  return made.metadata?.uid ?? '';
}

test('a claim reaches the device of its pod with its volume, and each change of either', async () => {
  const hand = await openHand();
  const device = hand.device('n1');
  await device.hello();
  await device.index(device.asks.at(-1)?.request ?? '', []);
  await boundClaim(hand, 'n1');
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
  await hand.bindPod('a', 'n1', { spec: { containers: [{ name: 'main', image: 'i' }], volumes } });
  const entry = device.sets.at(-1)?.put.find(({ key }) => key === 'PersistentVolumeClaim/default/data');
  assert.match(JSON.stringify(entry), /"volumeHandle":"v1"/);
  await hand.registry.mutate(persistentVolumeKind, { name: 'v1' }, ({ spec = {} }) => {
    spec.mountOptions = ['noatime'];
  });
  await hand.clock.advance(20);
  assert.match(JSON.stringify(device.sets.at(-1)?.put), /noatime/);
  await hand.registry.mutate(persistentVolumeKind, { name: 'v1' }, ({ spec = {} }) => {
    spec.claimRef = { ...spec.claimRef, uid: 'of another' };
  });
  await hand.clock.advance(20);
  assert.doesNotMatch(JSON.stringify(device.sets.at(-1)?.put), /volumeHandle/, 'held by another claim');
});

test('a folder is given back by its own device only, and only when nobody holds it any more', async () => {
  const hand = await openHand();
  const device = hand.device('n1');
  const stranger = hand.device('n2');
  await device.hello();
  await stranger.hello();
  await device.index(device.asks.at(-1)?.request ?? '', []);
  const uid = await boundClaim(hand, 'n1');
  const finalizers = async () =>
    (await hand.registry.get(persistentVolumeKind, { name: 'v1' })).metadata?.finalizers ?? [];
  const say = async (link: typeof device.link, of = uid) => {
    link.send(volumeReclaimed, { name: 'v1', uid: of });
    await hand.clock.advance(20);
  };
  await say(device.link);
  assert.equal((await finalizers()).length, 1, 'it is bound');
  const release = (draft: { status?: { phase?: string } }) => void (draft.status = { phase: 'Released' });
  await hand.registry.mutate(persistentVolumeKind, { name: 'v1' }, release, { subresource: 'status' });
  await hand.clock.advance(20);
  assert.deepEqual(
    device.sets.at(-1)?.put.map(({ key }) => key),
    ['Reclaim/v1'],
  );
  await say(stranger.link);
  await say(device.link, 'another');
  assert.equal((await finalizers()).length, 1);
  await say(device.link);
  assert.deepEqual(await finalizers(), []);
  assert.deepEqual(device.sets.at(-1)?.del, ['Reclaim/v1']);
});

test('a device gets tokens for its own pods and what their volumes ask for, nothing else', async () => {
  const hand = await openHand();
  const device = hand.device('n1');
  await device.hello();
  const answers: Message<typeof tokenGrant>['answer'][] = [];
  device.link.on(tokenGrant, ({ answer }) => void answers.push(answer));
  await hand.registry.create(serviceAccountKind, { metadata: { namespace: 'default', name: 'default' } });
  const sources = [{ serviceAccountToken: { path: 'token', expirationSeconds: 3607 } }];
  const volumes = [{ name: 'access', projected: { sources } }];
  const spec = { containers: [{ name: 'main', image: 'i' }], volumes };
  const own = (await hand.bindPod('own', 'n1', { spec })).metadata?.uid ?? '';
  const other = (await hand.bindPod('other', 'n2', { spec })).metadata?.uid ?? '';
  const asking = async (podUid: string, audience = '', expirationSeconds = 3607) => {
    device.link.send(tokenRequest, { podUid, audience, expirationSeconds });
    await hand.clock.advance(20);
    return answers.at(-1)?.type;
  };
  assert.equal(await asking(own), 'token');
  assert.equal(await asking(other), 'refused');
  assert.equal(await asking(own, 'vault'), 'refused');
  assert.equal(await asking(own, '', 999_999), 'refused');
  assert.equal(await asking('nobody'), 'refused');
  assert.equal(answers.length, 5);
});

test('a token lives as long as its volume says, and a year where nobody chose', async () => {
  const hand = await openHand();
  const device = hand.device('n1');
  await device.hello();
  const lives: number[] = [];
  device.link.on(tokenGrant, ({ answer }) => {
    if (answer.type === 'token') lives.push((answer.expiresAtMs - answer.issuedAtMs) / 3_600_000);
  });
  await hand.registry.create(serviceAccountKind, { metadata: { namespace: 'default', name: 'default' } });
  const wanted = [
    { audience: '', expirationSeconds: 3607 },
    { audience: '', expirationSeconds: 7200 },
    { audience: 'vault', expirationSeconds: 3607 },
  ];
  const sources = wanted.map((token) => ({ serviceAccountToken: { path: 'token', ...token } }));
  const volumes = [{ name: 'access', projected: { sources } }];
  const pod = await hand.bindPod('own', 'n1', {
    spec: { containers: [{ name: 'main', image: 'i' }], volumes },
  });
  for (const request of wanted) {
    device.link.send(tokenRequest, { podUid: pod.metadata?.uid ?? '', ...request });
    await hand.clock.advance(20);
  }
  assert.deepEqual(lives, [365 * 24, 2, 3607 / 3600]);
});
