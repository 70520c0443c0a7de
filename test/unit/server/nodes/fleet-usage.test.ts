import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import { decodeMessage, encodeMessage } from '../../../../protocol/codec.ts';
import { type Message, topicString } from '../../../../protocol/topics/define-topic.ts';
import { measure, usage } from '../../../../protocol/topics/usage.ts';
import { MemoryBus } from '../../../../server/bus/memory-bus.ts';
import { createFleetUsage } from '../../../../server/nodes/fleet-usage.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

function fleet({ questionsMax = 512 } = {}) {
  const clock = new ManualClock();
  const log = silentLogger;
  const bus = new MemoryBus({ cluster: 'c', log });
  const fleetUsage = createFleetUsage({ questionsMax, bus, clock, random: seededRandom(1), log });
  const asked: { node: string; message: Message<typeof measure> }[] = [];
  const answer = (
    line: ReturnType<MemoryBus['connect']>,
    node: string,
    id: string,
    pods: readonly string[],
  ) =>
    line.publish(
      topicString(usage, 'c', { node }),
      encodeMessage(usage, {
        id,
        windowMs: 1000,
        ageMs: 500,
        node: [5, 6],
        pods: Object.fromEntries(pods.map((uid) => [uid, { main: [1, 2] as [number, number] }])),
      })[0] ?? assert.fail(),
    );
  const connect = (node: string, { answers = true } = {}) => {
    const line = bus.connect(
      { node, connection: 'control' },
      {
        onMessage(_topic, payload) {
          const message = decodeMessage(measure, payload);
          asked.push({ node, message });
          if (answers) answer(line, node, message.id, message.pods ?? ['a', 'b']);
        },
        onClosed() {},
      },
    );
    return line;
  };
  const read = async (wanted: Record<string, readonly string[]>) => {
    const found = fleetUsage.read(new Map(Object.entries(wanted)));
    await clock.advance(10);
    return found;
  };
  return { clock, connect, read, asked, fleetUsage, answer };
}

test('an answer serves for 14 seconds whoever asks for the same or less', async () => {
  const { clock, connect, read, asked } = fleet();
  connect('n');
  const found = (await read({ n: ['a', 'b'] })).get('n');
  assert.deepEqual(found?.node, { cpuNanocores: 5, memoryBytes: 6 });
  assert.deepEqual(found?.pods.get('b')?.get('main'), { cpuNanocores: 1, memoryBytes: 2 });
  await read({ n: ['a'] });
  await read({ n: [] });
  assert.equal(asked.length, 1);
  await clock.advance(14_000);
  await read({ n: ['a'] });
  assert.equal(asked.length, 2);
});

test('who asks for other pods gets them without pushing out what others watch', async () => {
  const { connect, read, asked } = fleet();
  connect('n');
  await read({ n: ['a'] });
  await read({ n: ['b'] });
  assert.deepEqual(asked[1]?.message.pods?.toSorted(), ['a', 'b']);
  await read({ n: ['a'] });
  assert.equal(asked.length, 2);
});

test('who is not connected, does not answer, or leaves is missing, and keeps nobody waiting for long', async () => {
  const { clock, connect, fleetUsage } = fleet();
  connect('well');
  connect('silent', { answers: false });
  const leaving = connect('leaving', { answers: false });
  const found = fleetUsage.read(new Map(['well', 'silent', 'leaving', 'absent'].map((node) => [node, []])));
  await clock.advance(10);
  leaving.drop('gone');
  await clock.advance(8_000);
  assert.deepEqual([...(await found).keys()], ['well']);
});

test('an answer that another device gives is no answer', async () => {
  const { clock, connect, fleetUsage, asked, answer } = fleet();
  const liar = connect('liar');
  connect('silent', { answers: false });
  const found = fleetUsage.read(new Map([['silent', ['a']]]));
  await clock.advance(10);
  answer(liar, 'liar', asked[0]?.message.id ?? '', ['a']);
  await clock.advance(8_000);
  assert.equal((await found).size, 0);
});

test('a large fleet is asked in turns', async () => {
  const { clock, connect, fleetUsage, asked } = fleet({ questionsMax: 4 });
  const names = Array.from({ length: 7 }, (_none, index) => `n${index}`);
  for (const name of names) connect(name, { answers: false });
  const found = fleetUsage.read(new Map(names.map((name) => [name, []])));
  await clock.advance(10);
  assert.equal(asked.length, 4);
  await clock.advance(8_000);
  assert.equal(asked.length, 7);
  await clock.advance(8_000);
  assert.equal((await found).size, 0);
});
