import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { ask, digestTopic } from '../../../../protocol/topics/sync.ts';
import { MemoryBus, type Transit } from '../../../../server/bus/memory-bus.ts';
import { MemoryLink } from '../../../sim/memory-link.ts';

const digest = (revision: number) => ({ epoch: 'e', revision, hash: '0123456789abcdef' });

describe('a simulated network', () => {
  it('may lose, repeat and reorder, in both directions', async () => {
    const held: { transit: Transit; deliver: () => void }[] = [];
    const bus = new MemoryBus({
      cluster: 'c1',
      log: silentLogger,
      carry: (transit, deliver) => void held.push({ transit, deliver }),
    });
    const link = new MemoryLink({ bus, node: 'a', log: silentLogger });
    const up: number[] = [];
    const down: string[] = [];
    bus.subscribe(digestTopic, ({ revision }) => void up.push(revision));
    link.on(ask, ({ request }) => void down.push(request));
    link.start();
    for (const revision of [1, 2, 3]) link.send(digestTopic, digest(revision));
    await bus.publish(ask, { node: 'a' }, { request: 'r' });
    assert.deepEqual(
      held.map(({ transit }) => `${transit.from}>${transit.to}`),
      ['a>server', 'a>server', 'a>server', 'server>a'],
    );
    held[2]?.deliver();
    held[0]?.deliver();
    held[0]?.deliver();
    held[3]?.deliver();
    assert.deepEqual([up, down], [[3, 1, 1], ['r']]);
    link.setOnline(false);
    held[3]?.deliver();
    assert.deepEqual(down, ['r']);
  });

  it('lets nobody use a topic that a broker would refuse', () => {
    const bus = new MemoryBus({ cluster: 'c1', log: silentLogger });
    const connection = bus.connect({ connection: 'control', node: 'a' }, { onMessage() {}, onClosed() {} });
    assert.throws(
      () => connection.publish('flotilla/c1/nodes/b/up/digest', new Uint8Array()),
      /may not publish/,
    );
  });
});
