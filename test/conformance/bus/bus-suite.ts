import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as v from 'valibot';
import type { Link } from '../../../agent/link/link.ts';
import type { TopicDefinition } from '../../../protocol/topics/define-topic.ts';
import { streamDown, streamUp } from '../../../protocol/topics/streams.ts';
import { ask, digestTopic, gone, roll, set, status } from '../../../protocol/topics/sync.ts';
import type { Bus } from '../../../server/bus/bus.ts';
import { eventually } from '../../support/eventually.ts';

export interface BusUnderTest extends AsyncDisposable {
  bus: Bus;
  /** A device's link, started; connected when this resolves. */
  connect(node: string): Promise<Link>;
  /** Breaks the device's link as a dead network does, and brings it back afterwards. */
  cut(node: string): void;
}

/** What every Bus, with the Link that belongs to it, must keep. */
export function busSuite(name: string, start: () => Promise<BusUnderTest>): void {
  describe(`bus: ${name}`, () => {
    it('brings a device’s message to the server, with the device’s name', async () => {
      await using subject = await start();
      const seen = collect(subject.bus, digestTopic);
      const link = await subject.connect('pi.kitchen');
      assert.equal(link.send(digestTopic, digest(1)), true);
      await eventually(() => seen.length === 1, 'the message arrives');
      assert.deepEqual(seen[0], { message: digest(1), node: 'pi.kitchen' });
    });

    it('brings a message to the one device that it is for', async () => {
      await using subject = await start();
      const first = received(await subject.connect('a'), ask);
      const second = received(await subject.connect('b'), ask);
      await subject.bus.publish(ask, { node: 'a' }, { request: 'r1' });
      await subject.bus.publish(ask, { node: 'b' }, { request: 'r2' });
      await eventually(() => first.length + second.length === 2, 'both arrive');
      assert.deepEqual([first, second], [[{ request: 'r1' }], [{ request: 'r2' }]]);
    });

    it('brings a call to everyone to all connected devices', async () => {
      await using subject = await start();
      const calls = await Promise.all(
        ['a', 'b', 'c'].map(async (node) => received(await subject.connect(node), roll)),
      );
      await subject.bus.publish(roll, {}, { windowMs: 5 });
      await eventually(() => calls.every((call) => call.length === 1), 'all hear it');
    });

    it('keeps the order of a device’s messages, whatever their sizes', async () => {
      await using subject = await start();
      const seen = collect(subject.bus, status);
      const link = await subject.connect('a');
      const sizes = Array.from({ length: 60 }, (_, index) => (index % 7 === 0 ? 20_000 : 10));
      for (const [seq, size] of sizes.entries()) {
        assert(link.send(status, { session: 's', boot: 1, seq, pods: [podOf(size)] }));
      }
      await eventually(() => seen.length === sizes.length, 'all arrive');
      assert.deepEqual(
        seen.map(({ message }) => message.seq),
        [...sizes.keys()],
      );
    });

    it('keeps the order of the server’s messages to a device', async () => {
      await using subject = await start();
      const seen = received(await subject.connect('a'), ask);
      for (let seq = 0; seq < 200; seq++) {
        await subject.bus.publish(ask, { node: 'a' }, { request: String(seq) });
      }
      await eventually(() => seen.length === 200, 'all arrive');
      assert.deepEqual(
        seen.map(({ request }) => Number(request)),
        [...seen.keys()],
      );
    });

    it('carries messages of several megabytes both ways', async () => {
      await using subject = await start();
      const link = await subject.connect('a');
      const up = collect(subject.bus, status);
      const down = received(link, set);
      const pod = podOf(1_500_000);
      assert(link.send(status, { session: 's', boot: 1, seq: 1, pods: [pod] }));
      const key = 'v1/Pod/default/big';
      await subject.bus.publish(
        set,
        { node: 'a' },
        {
          type: 'snapshot',
          session: 's',
          epoch: 'e',
          nonce: 'n',
          to: 1,
          hash: '0123456789abcdef',
          put: [{ key, digest: '0123456789abcdef', object: { pod } }],
          del: [],
        },
      );
      await eventually(() => up.length === 1 && down.length === 1, 'both arrive');
      assert.deepEqual(up[0]?.message.pods[0], pod);
      assert.deepEqual(down[0]?.put[0]?.object, { pod });
    });

    it('drops a message that does not fit its topic, and takes the next one', async () => {
      await using subject = await start();
      const seen = collect(subject.bus, digestTopic);
      const link = await subject.connect('a');
      const loose = { ...digestTopic, schema: v.any() };
      link.send(loose, { epoch: 5, revision: 'no' });
      link.send(digestTopic, digest(2));
      await eventually(() => seen.length > 0, 'the good one arrives');
      assert.deepEqual(seen, [{ message: digest(2), node: 'a' }]);
    });

    it('lets no failing handler harm another', async () => {
      await using subject = await start();
      subject.bus.subscribe(digestTopic, () => {
        throw new Error('a failing handler');
      });
      subject.bus.subscribe(digestTopic, () => Promise.reject(new Error('a failing handler')));
      const seen = collect(subject.bus, digestTopic);
      const link = await subject.connect('a');
      link.send(digestTopic, digest(1));
      link.send(digestTopic, digest(2));
      await eventually(() => seen.length === 2, 'both arrive');
    });

    it('stops calling a handler that was taken back', async () => {
      await using subject = await start();
      const early: unknown[] = [];
      const subscription = subject.bus.subscribe(digestTopic, (message) => void early.push(message));
      const seen = collect(subject.bus, digestTopic);
      subscription[Symbol.dispose]();
      const link = await subject.connect('a');
      link.send(digestTopic, digest(1));
      await eventually(() => seen.length === 1, 'it arrives');
      assert.deepEqual(early, []);
    });

    it('tells which devices are there, and when they come and go', async () => {
      await using subject = await start();
      const events: string[] = [];
      subject.bus.onPresence(({ node, connected }) => void events.push(`${node} ${connected}`));
      const link = await subject.connect('a');
      await eventually(() => subject.bus.connectedNodes().includes('a'), 'it is there');
      await link[Symbol.asyncDispose]();
      await eventually(() => subject.bus.connectedNodes().length === 0, 'it is gone');
      assert.deepEqual(events, ['a true', 'a false']);
    });

    it('publishes the will of a lost connection with its number, and none after a goodbye', async () => {
      await using subject = await start();
      const wills = collect(subject.bus, gone);
      const link = await subject.connect('a');
      const numbers: number[] = [];
      link.onConnected((connection) => void numbers.push(connection));
      subject.cut('a');
      await eventually(
        () => wills.length === 1 && numbers.length === 1,
        'the will arrives and the link is back',
      );
      assert.equal((wills[0]?.message.connection ?? 0) + 1, numbers[0]);
      await link[Symbol.asyncDispose]();
      await eventually(() => subject.bus.connectedNodes().length === 0, 'it is gone');
      assert.equal(wills.length, 1);
    });

    it('ends a device’s connection when told to', async () => {
      await using subject = await start();
      const link = await subject.connect('a');
      const reasons: string[] = [];
      link.onDisconnected((reason) => void reasons.push(reason));
      subject.bus.disconnect('a');
      await eventually(() => reasons.length === 1, 'the device notices');
    });

    it('carries streams on their own connection, by id', async () => {
      await using subject = await start();
      const link = await subject.connect('a');
      const up: unknown[] = [];
      const down: unknown[] = [];
      subject.bus.subscribe(streamUp, (frame, { id, node }) => void up.push([node, id, frame.type]));
      link.on(streamDown, (frame, { id }) => void down.push([id, frame.type]));
      assert.equal(link.send(streamUp, { type: 'ready' }, { id: 's1' }), false);
      using _lease = await link.openStreams();
      assert.equal(link.send(streamUp, { type: 'ready' }, { id: 's1' }), true);
      await eventually(() => up.length === 1, 'the frame arrives');
      await subject.bus.publish(streamDown, { node: 'a', id: 's1' }, { type: 'credit', bytes: 5 });
      await eventually(() => down.length === 1, 'the answer arrives');
      assert.deepEqual([up, down], [[['a', 's1', 'ready']], [['s1', 'credit']]]);
      assert.deepEqual(subject.bus.connectedNodes(), ['a']);
    });

    it('takes a message for a device that is not there as lost', async () => {
      await using subject = await start();
      await subject.bus.publish(ask, { node: 'nobody' }, { request: 'r' });
      await assert.rejects(() => subject.bus.publish(digestTopic, { node: 'a' }, digest(1)), TypeError);
    });
  });
}

function digest(revision: number) {
  return { epoch: 'e', revision, hash: '0123456789abcdef' };
}

/** Text that does not compress to nothing. */
function podOf(bytes: number) {
  let state = 7;
  let text = '';
  while (text.length < bytes) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    text += state.toString(36);
  }
  return { uid: 'u', namespace: 'default', name: 'p', status: { text } };
}

function collect<D extends TopicDefinition>(bus: Bus, topic: D) {
  const seen: { message: v.InferOutput<D['schema']>; node: string | undefined }[] = [];
  bus.subscribe(topic, (message, { node }) => void seen.push({ message, node }));
  return seen;
}

function received<D extends TopicDefinition>(link: Link, topic: D) {
  const seen: v.InferOutput<D['schema']>[] = [];
  link.on(topic, (message) => void seen.push(message));
  return seen;
}
