import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { aclFor, findTopic, type Peer } from '../../../protocol/topics/acl.ts';
import { topicString } from '../../../protocol/topics/define-topic.ts';
import { topics } from '../../../protocol/topics/registry.ts';

const cluster = 'c1';
const control: Peer = { connection: 'control', node: 'pi.kitchen' };
const stream: Peer = { connection: 'stream', node: 'pi.kitchen' };
const join: Peer = { connection: 'join', id: 'abc' };
const peers = [control, stream, join];

describe('access to topics', () => {
  it('is given to a device for its own topics, on the connection the topic names, in the topic’s direction', () => {
    for (const peer of peers) {
      const acl = aclFor(cluster, peer);
      for (const definition of topics) {
        const mine = { node: 'pi.kitchen', id: 'abc' };
        const topic = topicString(definition, cluster, mine);
        const ours = definition.connection === peer.connection;
        assert.equal(acl.publish(topic) !== undefined, ours && definition.way === 'up', `publish ${topic}`);
        assert.equal(acl.maySubscribe(topic), ours && definition.way !== 'up', `subscribe ${topic}`);
      }
    }
  });

  it('is refused for another’s topics', () => {
    for (const peer of peers) {
      const acl = aclFor(cluster, peer);
      for (const definition of topics.filter(({ way }) => way !== 'all')) {
        const topic = topicString(definition, cluster, { node: 'pi-kitchen', id: 'other' });
        assert.equal(acl.publish(topic) !== undefined, false, `publish ${topic}`);
        assert.equal(acl.maySubscribe(topic), false, `subscribe ${topic}`);
      }
    }
  });

  it('never covers a wildcard but the id of the own streams', () => {
    const filters = [
      '#',
      '+',
      'flotilla/#',
      'flotilla/c1/nodes/+/down/set',
      'flotilla/c1/nodes/pi_kitchen/down/#',
      'flotilla/c1/nodes/pi_kitchen/down/+',
      'flotilla/c1/nodes/pi_kitchen/+/stream/+',
      'flotilla/c1/join/+/down',
      'flotilla/+/all/roll',
      '$SYS/#',
      '$share/g/flotilla/c1/nodes/pi_kitchen/down/set',
    ];
    for (const peer of peers) {
      const acl = aclFor(cluster, peer);
      for (const filter of filters) assert.equal(acl.maySubscribe(filter), false, filter);
    }
    assert(aclFor(cluster, stream).maySubscribe('flotilla/c1/nodes/pi_kitchen/down/stream/+'));
  });

  it('is refused for topics that look like an own one', () => {
    const acl = aclFor(cluster, control);
    for (const topic of [
      'flotilla/c1/nodes/pi.kitchen/up/hello',
      'flotilla/c2/nodes/pi_kitchen/up/hello',
      'flotilla/c1/nodes/pi_kitchen/up/hello/',
      '/flotilla/c1/nodes/pi_kitchen/up/hello',
      'flotilla/c1/nodes//up/hello',
      '$SYS/x/new/clients',
      '',
    ]) {
      assert.equal(acl.publish(topic), undefined, topic);
    }
  });

  it('lists the filters that a connection needs, all of which it may subscribe', () => {
    for (const peer of peers) {
      const acl = aclFor(cluster, peer);
      assert(acl.subscriptions.length > 0);
      for (const { filter } of acl.subscriptions) assert(acl.maySubscribe(filter), filter);
    }
    assert.deepEqual(
      aclFor(cluster, stream).subscriptions.map(({ filter }) => filter),
      ['flotilla/c1/nodes/pi_kitchen/down/stream/+'],
    );
  });

  it('finds the definition and parameters of every topic', () => {
    for (const definition of topics) {
      const match = findTopic(cluster, topicString(definition, cluster, { node: 'a.b', id: 'i1' }));
      assert.equal(match?.definition.name, definition.name);
      if (definition.pattern.includes('{node}')) assert.equal(match?.parameters.node, 'a.b');
    }
  });
});
