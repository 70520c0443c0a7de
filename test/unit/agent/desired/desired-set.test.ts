import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countBoot } from '../../../../agent/desired/boot-counter.ts';
import {
  openDesiredSet,
  type SetMessage,
  type WritableDesiredSet,
} from '../../../../agent/desired/desired-set.ts';
import { openJournal } from '../../../../agent/desired/journal.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { entryDigest, setHash, sumOf } from '../../../../protocol/sync-hash.ts';
import type { SetEntry } from '../../../../protocol/topics/sync.ts';
import { MemoryDisk } from '../../../sim/memory-disk.ts';

const path = '/desired';
const log = silentLogger;
const random = seededRandom(1);

async function open(disk: MemoryDisk): Promise<WritableDesiredSet> {
  return openDesiredSet({ journal: await openJournal({ path, log, disk }), log, random });
}

function pod(uid: string, image = 'a'): SetEntry {
  const object = { kind: 'Pod', metadata: { uid }, spec: { image } };
  return { key: `Pod/${uid}`, digest: entryDigest(object), object };
}

const hashOf = (...entries: SetEntry[]) => setHash(sumOf(entries));

function snapshot(set: WritableDesiredSet, to: number, entries: SetEntry[], epoch = 'e1'): SetMessage {
  const held = [...set.entries.keys()];
  const del = held.filter((key) => entries.every((entry) => entry.key !== key));
  const { nonce } = set;
  return { type: 'snapshot', session: 's', epoch, nonce, to, hash: hashOf(...entries), put: entries, del };
}

function delta(
  range: { from: number; to: number },
  put: SetEntry[],
  del: string[],
  hash: string,
): SetMessage {
  return { type: 'delta', session: 's', epoch: 'e1', ...range, hash, put, del };
}

async function holding(disk: MemoryDisk, ...entries: SetEntry[]): Promise<WritableDesiredSet> {
  const set = await open(disk);
  assert.equal(await set.apply(snapshot(set, 10, entries)), 'applied');
  return set;
}

test('a device without a set holds the empty one, in no epoch', async () => {
  const { epoch, revision, hash, trusted, entries } = await open(new MemoryDisk());
  assert.deepEqual([epoch, revision, hash, trusted, entries.size], ['', 0, '0'.repeat(16), true, 0]);
});

test('what was accepted is there after a restart, and was on disk before anybody saw it', async () => {
  const disk = new MemoryDisk();
  const set = await holding(disk, pod('1'), pod('2'));
  let onDisk: Promise<WritableDesiredSet> | undefined;
  set.onChange(() => {
    onDisk = open(disk.crash(seededRandom(3)));
  });
  const changed = delta({ from: 10, to: 12 }, [pod('3')], ['Pod/1'], hashOf(pod('2'), pod('3')));
  assert.equal(await set.apply(changed), 'applied');
  const again = await onDisk;
  assert.deepEqual([again?.epoch, again?.revision, again?.hash], ['e1', 12, set.hash]);
  assert.deepEqual([...(again?.entries.keys() ?? [])].sort(), ['Pod/2', 'Pod/3']);
});

test('an older or repeated delta changes nothing', async () => {
  const set = await holding(new MemoryDisk(), pod('1'));
  assert.equal(await set.apply(delta({ from: 5, to: 10 }, [], ['Pod/1'], hashOf())), 'older');
  assert.equal(await set.apply(delta({ from: 5, to: 8 }, [], ['Pod/1'], hashOf())), 'older');
  assert.equal(set.entries.size, 1);
});

test('a cumulative delta may overlap what is there, and names only what is new', async () => {
  const set = await holding(new MemoryDisk(), pod('1'));
  const seen: string[][] = [];
  set.onChange((keys) => seen.push([...keys]));
  const overlap = delta({ from: 3, to: 14 }, [pod('1'), pod('2')], ['Pod/0'], hashOf(pod('1'), pod('2')));
  assert.equal(await set.apply(overlap), 'applied');
  assert.deepEqual(seen, [['Pod/2']]);
});

test('a delta beyond a gap, or of another epoch, is not applied', async () => {
  const set = await holding(new MemoryDisk(), pod('1'));
  const beyond = delta({ from: 11, to: 12 }, [pod('2')], [], hashOf(pod('1'), pod('2')));
  assert.equal(await set.apply(beyond), 'gap');
  assert.equal(await set.apply({ ...beyond, type: 'delta', from: 10, epoch: 'e2' }), 'foreign');
  assert.deepEqual([set.revision, set.entries.size], [10, 1]);
});

test('what does not add up to its hash is not applied, and the set says that it cannot be trusted', async () => {
  const set = await holding(new MemoryDisk(), pod('1'));
  assert.equal(await set.apply(delta({ from: 10, to: 12 }, [pod('2')], [], hashOf(pod('2')))), 'mismatch');
  assert.deepEqual([set.trusted, set.revision, set.entries.size], [false, 10, 1]);
  const good = delta({ from: 10, to: 12 }, [pod('2')], [], hashOf(pod('1'), pod('2')));
  assert.equal(await set.apply(good), 'mismatch');
  assert.equal(await set.apply(snapshot(set, 12, [pod('1'), pod('2')])), 'applied');
  assert.equal(set.trusted, true);
});

test('a snapshot answers one index, once', async () => {
  const set = await open(new MemoryDisk());
  const first = snapshot(set, 10, [pod('1')]);
  const second = snapshot(set, 12, [pod('2')]);
  assert.equal(await set.apply(first), 'applied');
  assert.equal(await set.apply(second), 'stale');
  assert.equal(await set.apply(first), 'stale');
});

test('a snapshot goes back in revision only into another epoch', async () => {
  const set = await holding(new MemoryDisk(), pod('1'));
  assert.equal(await set.apply(snapshot(set, 4, [pod('2')])), 'older');
  assert.equal(await set.apply(snapshot(set, 4, [pod('2')], 'e2')), 'applied');
  assert.deepEqual([set.epoch, set.revision, [...set.entries.keys()]], ['e2', 4, ['Pod/2']]);
});

test('a full disk refuses the change, and the same message is accepted when there is room', async () => {
  const disk = new MemoryDisk();
  const set = await holding(disk, pod('1'));
  disk.capacityBytes = disk.usedBytes;
  const message = delta({ from: 10, to: 12 }, [pod('2')], [], hashOf(pod('1'), pod('2')));
  await assert.rejects(set.apply(message), { code: 'DiskFull' });
  assert.deepEqual([set.revision, set.entries.size, set.trusted], [10, 1, true]);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  assert.equal(await set.apply(message), 'applied');
});

test('messages that come while one is being stored are applied after it, in order', async () => {
  const set = await holding(new MemoryDisk(), pod('1'));
  const outcomes = await Promise.all([
    set.apply(delta({ from: 10, to: 11 }, [pod('2')], [], hashOf(pod('1'), pod('2')))),
    set.apply(delta({ from: 11, to: 12 }, [], ['Pod/1'], hashOf(pod('2')))),
  ]);
  assert.deepEqual(outcomes, ['applied', 'applied']);
  assert.deepEqual([...set.entries.keys()], ['Pod/2']);
});

test('a damaged journal still yields what it can, untrusted', async () => {
  const disk = new MemoryDisk();
  const set = await holding(disk, pod('1'), pod('2'));
  for (let to = 11; to < 14; to++)
    await set.apply(
      delta({ from: to - 1, to }, [pod('2', `${to}`)], [], hashOf(pod('1'), pod('2', `${to}`))),
    );
  disk.corrupt(path, (bytes) => {
    bytes[bytes.length - 260] = (bytes[bytes.length - 260] ?? 0) ^ 1;
    return bytes;
  });
  const again = await open(disk);
  assert.equal(again.trusted, false);
  assert.equal(again.entries.size, 2);
});

test('a listener that fails keeps neither the others nor the set from going on', async () => {
  const set = await open(new MemoryDisk());
  let heard = 0;
  set.onChange(() => {
    throw new Error('no');
  });
  set.onChange(() => {
    heard += 1;
  });
  assert.equal(await set.apply(snapshot(set, 1, [pod('1')])), 'applied');
  assert.equal(heard, 1);
});

test('every start counts as one boot, a full disk does not keep the agent from starting', async () => {
  const disk = new MemoryDisk();
  const boot = async () => countBoot(await openJournal({ path, log, disk }), log);
  assert.equal((await boot()).boot, 1);
  assert.equal((await boot()).boot, 2);
  disk.capacityBytes = disk.usedBytes;
  assert.equal((await boot()).boot, 3);
  disk.capacityBytes = Number.POSITIVE_INFINITY;
  const counter = await boot();
  assert.equal(counter.boot, 3);
  await counter.raise(70);
  await counter.raise(20);
  assert.equal(counter.boot, 71);
  assert.equal((await boot()).boot, 72);
});
