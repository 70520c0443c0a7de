import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../lib/log.ts';
import { eventKind } from '../../../protocol/kinds/event.ts';
import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { createEventRecorder } from '../../../server/registry/event-recorder.ts';
import { ControlPlane } from './control-plane.ts';
import { pod } from './workloads.ts';

function recorderOf({ registry, clock }: ControlPlane) {
  return createEventRecorder({ registry, clock, log: silentLogger, component: 'tester' });
}

const backOff = { type: 'Warning', reason: 'BackOff', message: 'restarting' } as const;

test('what repeats is one Event that counts, also after a restart, and each speaker has its own', async () => {
  await using plane = await ControlPlane.start([]);
  const about = await plane.registry.create(podKind, pod('p'));
  await plane.untilQuiet();
  const first = recorderOf(plane);
  for (let index = 0; index < 3; index += 1) first.record(podKind, about, backOff);
  await first.idle();
  await plane.clock.advance(60_000);
  const second = recorderOf(plane);
  second.record(podKind, about, backOff);
  second.record(podKind, about, { ...backOff, source: { component: 'agent', host: 'board-7' } });
  await second.idle();
  const told = (await plane.registry.list(eventKind, { fieldSelector: 'reason=BackOff' })).items;
  assert.deepEqual(
    told
      .map(({ source, reportingComponent, reportingInstance, count }) => [
        source,
        reportingComponent,
        reportingInstance,
        count,
      ])
      .sort((a, b) => Number(b[3]) - Number(a[3])),
    [
      [{ component: 'tester' }, 'tester', '', 4],
      [{ component: 'agent', host: 'board-7' }, 'agent', 'board-7', 1],
    ],
  );
  const counted = told.find(({ count }) => count === 4);
  assert.equal(counted?.involvedObject.uid, about.metadata?.uid);
  assert.equal(
    Date.parse(counted?.lastTimestamp ?? '') - Date.parse(counted?.firstTimestamp ?? ''),
    Math.floor(plane.clock.now() / 1000) * 1000 - Date.parse(counted?.firstTimestamp ?? ''),
  );
});

test('an object that never stops cannot fill the store: messages are combined, then a budget ends', async () => {
  await using plane = await ControlPlane.start([]);
  const about = await plane.registry.create(podKind, pod('p'));
  await plane.untilQuiet();
  const recorder = recorderOf(plane);
  for (let index = 0; index < 100; index += 1) {
    recorder.record(podKind, about, { ...backOff, message: `try ${index}` });
    await recorder.idle();
  }
  const told = (await plane.registry.list(eventKind, { fieldSelector: 'reason=BackOff' })).items;
  assert.equal(told.length, 11);
  assert.equal(
    told.reduce((sum, { count }) => sum + (count ?? 0), 0),
    25,
  );
  const combined = told.find(({ count }) => (count ?? 0) > 1);
  assert.equal(combined?.message, '(combined from similar events): try 24');
});

test('a flood waits in no queue: what does not fit is dropped', async () => {
  await using plane = await ControlPlane.start(['a']);
  const node = await plane.registry.get(nodeKind, { name: 'a' });
  const recorder = recorderOf(plane);
  for (let index = 0; index < 5_000; index += 1) {
    const other = { ...node, metadata: { ...node.metadata, uid: `n${index}` } };
    recorder.record(nodeKind, other, { type: 'Normal', reason: 'Flood', message: 'x' });
  }
  await recorder.idle();
  const told = await plane.registry.list(eventKind, { fieldSelector: 'reason=Flood' });
  assert.ok(told.items.length <= 1_010 && told.items.length >= 1_000, `${told.items.length} were written`);
  assert.ok(told.items.every(({ metadata }) => metadata.namespace === 'default'));
});

test('an event ends an hour after it was last seen, not before', async () => {
  await using plane = await ControlPlane.start([]);
  const about = await plane.registry.create(podKind, pod('p'));
  const recorder = recorderOf(plane);
  const reasons = async () =>
    new Set((await plane.registry.list(eventKind)).items.map(({ reason }) => reason));
  recorder.record(podKind, about, { ...backOff, reason: 'Once' });
  recorder.record(podKind, about, { ...backOff, reason: 'Again' });
  await plane.clock.advance(50 * 60_000);
  recorder.record(podKind, about, { ...backOff, reason: 'Again' });
  await plane.clock.advance(20 * 60_000);
  assert.deepEqual(await reasons(), new Set(['Again']));
  await plane.clock.advance(60 * 60_000);
  assert.deepEqual(await reasons(), new Set());
});

test('an event about what goes down with its namespace is let go', async () => {
  await using plane = await ControlPlane.start([]);
  const { registry } = plane;
  await registry.create(namespaceKind, { metadata: { name: 'team' } });
  const inTeam = pod('p');
  inTeam.metadata = { ...inTeam.metadata, namespace: 'team' };
  const about = await registry.create(podKind, inTeam);
  await registry.delete(namespaceKind, { name: 'team' });
  const recorder = recorderOf(plane);
  recorder.record(podKind, about, backOff);
  await recorder.idle();
  await plane.until('it is gone', async () => !(await plane.find(namespaceKind, 'team')));
  recorder.record(podKind, about, backOff);
  await recorder.idle();
  assert.equal((await registry.list(eventKind, { namespace: 'team' })).items.length, 0);
});
