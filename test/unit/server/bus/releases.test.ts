import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MqttConnection } from '../../../../agent/link/mqtt-connection.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { limits } from '../../../../protocol/limits.ts';
import { aclFor, type Subscription } from '../../../../protocol/topics/acl.ts';
import { ask } from '../../../../protocol/topics/sync.ts';
import { measure } from '../../../../protocol/topics/usage.ts';
import { startEmbeddedBroker } from '../../../../server/bus/embedded-broker.ts';
import { eventually } from '../../../support/eventually.ts';
import { socketPair } from '../../../support/socket-pair.ts';

const peer = { connection: 'control', node: 'a' } as const;
const known = aclFor('c1', peer).subscriptions;
const later = { filter: 'flotilla/c1/nodes/a/down/later', qos: 1, essential: false } as const;

async function startBus() {
  return startEmbeddedBroker({
    cluster: 'c1',
    authenticator: { device: async () => true, join: async () => 'refused' },
    clock: systemClock,
    log: silentLogger,
  });
}

type Bus = Awaited<ReturnType<typeof startBus>>;

function openAgent(bus: Bus, subscriptions: readonly Subscription[], received: string[] = []) {
  const [stream, broker] = socketPair();
  bus.attach(broker, { node: 'a' });
  const onMessage = (topic: string) => void received.push(topic.replace(/.*\//, ''));
  return MqttConnection.open({ stream, clientId: 'a', subscriptions, onMessage, clock: systemClock, limits });
}

describe('programs of different releases', () => {
  it('a device that knows the first topics only is connected, and hears those', async () => {
    await using bus = await startBus();
    const received: string[] = [];
    const connection = await openAgent(
      bus,
      known.filter(({ essential }) => essential),
      received,
    );
    await eventually(() => bus.connectedNodes().includes('a'), 'it counts as connected');
    await bus.publish(measure, { node: 'a' }, { id: 'm' });
    await bus.publish(ask, { node: 'a' }, { request: 'r' });
    await eventually(() => received.length > 0, 'it hears what it knows');
    assert.deepEqual(received, ['ask']);
    await connection.end();
  });

  it('a device that lacks one of the first topics is not connected', async () => {
    await using bus = await startBus();
    const connection = await openAgent(
      bus,
      known.filter(({ filter }) => !filter.endsWith('/ask')),
    );
    assert.deepEqual(bus.connectedNodes(), []);
    await connection.end();
  });

  it('a server that does not know a later topic is good enough for a device that does', async () => {
    await using bus = await startBus();
    const connection = await openAgent(bus, [later, ...known]);
    await eventually(() => bus.connectedNodes().includes('a'), 'it counts as connected');
    await connection.end();
    await assert.rejects(openAgent(bus, [{ ...later, essential: true }, ...known]), /refused a subscription/);
  });
});
