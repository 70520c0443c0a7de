import assert from 'node:assert/strict';
import { test } from 'node:test';
import { podRequest } from '../../../../server/scheduler/pod-request.ts';
import { WaitingPods } from '../../../../server/scheduler/waiting-pods.ts';

function request(name: string, cpu: string) {
  return podRequest({
    metadata: { name, namespace: 'default', uid: name },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] },
  });
}

const everyone = () => true;

test('a pod of a shape that fits nowhere is not tried, and hears why', () => {
  const waiting = new WaitingPods();
  assert.equal(waiting.joinQueue('a', request('a', '1')), undefined);
  waiting.add('a', request('a', '1'), 'no room');
  assert.equal(waiting.joinQueue('b', request('b', '1')), 'no room');
  assert.equal(waiting.joinQueue('c', request('c', '2')), undefined, 'another shape may fit');
});

test('when a node gets room one pod of each shape tries, and each that is placed lets the next try', () => {
  const waiting = new WaitingPods();
  waiting.add('a', request('a', '1'), 'no room');
  waiting.joinQueue('b', request('b', '1'));
  waiting.joinQueue('c', request('c', '1'));
  waiting.add('x', request('x', '9'), 'no room');
  assert.deepEqual(waiting.takeHopeful(everyone), ['a', 'x']);
  assert.deepEqual(waiting.takeHopeful(everyone), [], 'they are being tried');
  assert.equal(waiting.joinQueue('a', request('a', '1')), undefined, 'it tries for all');
  assert.equal(waiting.remove('a'), 'b');
  waiting.add('b', request('b', '1'), 'full again');
  assert.equal(waiting.joinQueue('d', request('d', '1')), 'full again');
  assert.deepEqual(
    waiting.takeHopeful((sample) => sample.requests.cpu === 1000),
    ['c'],
  );
});

test('a pod that goes away while it tries for the others hands on', () => {
  const waiting = new WaitingPods();
  waiting.add('a', request('a', '1'), 'no room');
  waiting.joinQueue('b', request('b', '1'));
  waiting.takeHopeful(everyone);
  assert.equal(waiting.remove('b'), undefined, 'it was not the one');
  waiting.joinQueue('c', request('c', '1'));
  assert.equal(waiting.remove('a'), 'c');
  assert.equal(waiting.remove('c'), undefined);
  assert.equal(waiting.size, 0);
});

test('all can be taken, to be tried from the start', () => {
  const waiting = new WaitingPods();
  waiting.add('a', request('a', '1'), 'no room');
  waiting.joinQueue('b', request('b', '1'));
  assert.deepEqual(waiting.takeAll(), ['a', 'b']);
  assert.equal(waiting.joinQueue('b', request('b', '1')), undefined);
});
