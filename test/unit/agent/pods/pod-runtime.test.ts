import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { DriverError } from '../../../../agent/drivers/errors.ts';
import type { Pod, PodSpec } from '../../../../protocol/generated/models.ts';
import { Device } from './device.ts';
import { container, pod } from './plan-cases.ts';

const podOf = (uid: string, spec: Partial<PodSpec> = {}, metadata: Pod['metadata'] = {}) =>
  pod(spec, { uid, name: uid, ...metadata });
const deleting = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 5 };

async function deviceWith(...pods: Pod[]): Promise<Device> {
  const device = new Device();
  await device.startAgent();
  await device.want(...pods);
  return device;
}

suite('a pod on a device', () => {
  test('wanted, it runs and is reported', async () => {
    const device = await deviceWith(podOf('p1'));
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    assert.equal(device.status('p1').phase, 'Running');
    assert.deepEqual(device.events, [
      'Pulled: Container image "app:1" already present on machine',
      'Started: Started container app',
    ]);
    await device.stopAgent();
  });

  test('deleted, it is stopped, removed for good and reported so', async () => {
    const device = await deviceWith(podOf('p1'));
    await device.want(podOf('p1', {}, deleting));
    assert.ok(device.engine.calls.includes('stop p1-app-0 5000'));
    assert.deepEqual(device.engine.everything, []);
    assert.deepEqual(device.lastReport('p1'), { uid: 'p1', namespace: 'ns', name: 'p1', removed: true });
    await device.stopAgent();
  });

  test('deleted while it stops slowly, a force hurries it', async () => {
    const device = await deviceWith(podOf('p1'));
    let release = () => {};
    device.engine.holdStop = new Promise((resolve) => {
      release = resolve;
    });
    await device.want(podOf('p1', {}, deleting));
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    await device.want(podOf('p1', {}, { ...deleting, deletionGracePeriodSeconds: 0 }));
    assert.ok(device.engine.calls.includes('stop p1-app-0 0'));
    release();
    await device.quiet();
    assert.equal(device.lastReport('p1')?.removed, true);
    await device.stopAgent();
  });

  test('deleted before anything started, nothing is started', async () => {
    const device = await deviceWith(podOf('p1', {}, deleting));
    assert.equal(device.lastReport('p1')?.removed, true);
    assert.deepEqual(device.engine.calls, ['list']);
    await device.stopAgent();
  });

  test('deleted during a pull, the pull is given up', async () => {
    const device = new Device();
    device.engine.holdPull = new Promise(() => {});
    await device.startAgent();
    await device.want(podOf('p1'));
    await device.want(podOf('p1', {}, deleting));
    assert.equal(device.lastReport('p1')?.removed, true);
    await device.stopAgent();
  });

  test('one that crashes comes back with a higher count and the logs of its last attempt', async () => {
    const device = await deviceWith(podOf('p1'));
    device.engine.exit('p1-app-0', 1);
    await device.quiet();
    assert.deepEqual(device.engine.running, ['p1-app-1']);
    device.engine.exit('p1-app-1', 1);
    await device.quiet();
    assert.deepEqual(device.engine.running, []);
    const current = device.runtime.find({ podUid: 'p1', container: 'app', previous: false }).handle;
    const previous = device.runtime.find({ podUid: 'p1', container: 'app', previous: true }).handle;
    assert.deepEqual([current.attempt, previous.attempt], [1, 1]);
    await device.advance(10_000);
    assert.equal(device.restartCount('p1'), 2);
    assert.ok(device.events.includes('BackOff: Back-off restarting failed container app in pod p1_ns(p1)'));
    await device.stopAgent();
  });

  test('an exit of which no hint came is found within the relist', async () => {
    const device = await deviceWith(podOf('p1'));
    device.engine.exit('p1-app-0', 1, { hint: false });
    await device.quiet();
    assert.deepEqual(device.engine.running, []);
    await device.advance(60_000);
    assert.deepEqual(device.engine.running, ['p1-app-1']);
    await device.stopAgent();
  });

  test('one that waits for a ConfigMap starts when it comes', async () => {
    const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'conf', key: 'a' } } }];
    const device = await deviceWith(podOf('p1', { containers: [container('app', { env })] }));
    assert.equal(
      device.status('p1').containerStatuses?.[0]?.state?.waiting?.reason,
      'CreateContainerConfigError',
    );
    device.desired.put({ key: 'ConfigMap/ns/conf', digest: '', object: { data: { a: '1' } } });
    await device.quiet();
    assert.equal(device.engine.spec('p1-app-0')?.environment['A'], '1');
    await device.stopAgent();
  });

  test('streams to what is not there are refused in words', async () => {
    const device = await deviceWith(podOf('p1'));
    const find = (podUid: string, name: string, previous = false) =>
      device.runtime.find({ podUid, container: name, previous });
    assert.throws(() => find('p9', 'app'), { code: 'PodNotFound' });
    assert.throws(() => find('p1', 'app', true), {
      code: 'PreviousNotFound',
      message: 'previous terminated container "app" in pod "p1" not found',
    });
    assert.throws(() => find('p1', 'other'), { code: 'ContainerNotStarted' });
    await device.stopAgent();
  });
});

suite('admission on a device', () => {
  test('a pod that does not fit is refused, never started, also after a restart with room', async () => {
    const device = new Device();
    device.podsMax = 1;
    await device.startAgent();
    await device.want(podOf('p1'), podOf('p2'));
    assert.equal(device.lastReport('p2')?.refused?.reason, 'OutOfpods');
    await device.stopAgent();
    device.podsMax = 110;
    await device.startAgent();
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    assert.equal(device.lastReport('p2')?.refused?.reason, 'OutOfpods');
    await device.unwant('p2');
    assert.equal(device.lastReport('p2')?.removed, true);
    await device.stopAgent();
  });

  test('a pod that was admitted is not refused after a restart with less room', async () => {
    const device = await deviceWith(podOf('p1'), podOf('p2'));
    await device.stopAgent();
    device.podsMax = 1;
    await device.startAgent();
    assert.deepEqual(device.engine.running, ['p1-app-0', 'p2-app-0']);
    assert.equal(device.lastReport('p2')?.refused, undefined);
    await device.stopAgent();
  });

  test('a deleted pod makes room', async () => {
    const device = new Device();
    device.podsMax = 1;
    await device.startAgent();
    await device.want(podOf('p1'));
    await device.want(podOf('p1', {}, deleting));
    await device.want(podOf('p2'));
    assert.deepEqual(device.engine.running, ['p2-app-0']);
    await device.stopAgent();
  });
});

suite('a removed uid', () => {
  test('never starts again, though an old set names it', async () => {
    const device = await deviceWith(podOf('p1'));
    await device.want(podOf('p1', {}, deleting));
    await device.want(podOf('p1'));
    assert.deepEqual(device.engine.everything, []);
    await device.unwant('p1');
    await device.want(podOf('p1'));
    assert.deepEqual(device.engine.everything, []);
    await device.stopAgent();
  });

  test('not after a restart of the agent either; the server is told again', async () => {
    const device = await deviceWith(podOf('p1'));
    await device.want(podOf('p1', {}, deleting));
    await device.killAgent();
    device.desired.put({ key: 'Pod/p1', digest: '', object: { ...podOf('p1') } });
    device.reports.length = 0;
    await device.startAgent();
    assert.deepEqual(device.engine.everything, []);
    assert.deepEqual(
      device.reports.map(({ removed }) => removed),
      [true],
    );
    await device.stopAgent();
  });

  test('a teardown that the agent did not live to end is ended by the next', async () => {
    const device = await deviceWith(podOf('p1'));
    device.engine.failing.set('remove', new Error('busy'));
    await device.unwant('p1');
    await device.killAgent();
    device.engine.failing.clear();
    await device.startAgent();
    assert.deepEqual(device.engine.everything, []);
    assert.equal(device.lastReport('p1')?.removed, true);
    await device.stopAgent();
  });
});

suite('a restart of the agent', () => {
  for (const [how, leave] of [
    ['stopped', (device: Device) => device.stopAgent()],
    ['killed', (device: Device) => device.killAgent()],
  ] as const) {
    test(`${how}, what runs is adopted: same pids, same counts, nothing started or written`, async () => {
      const device = await deviceWith(podOf('p1'), podOf('p2'));
      device.engine.exit('p1-app-0', 1);
      await device.quiet();
      const pids = device.engine.running.map((id) => device.engine.pid(id));
      const reported = device.status('p1');
      await leave(device);
      device.engine.calls.length = 0;
      await device.startAgent();
      assert.deepEqual(
        device.engine.running.map((id) => device.engine.pid(id)),
        pids,
      );
      assert.deepEqual(device.status('p1'), reported);
      assert.deepEqual(
        device.engine.calls.filter((call) => !/^(list|inspect)/.test(call)),
        [],
      );
      assert.equal(device.journal?.bytesWritten, 0);
      await device.stopAgent();
    });
  }

  test('a container started but never written down is adopted, not doubled', async () => {
    const device = new Device();
    await device.startAgent();
    device.engine.afterStart = () => {
      device.disk.capacityBytes = 0;
    };
    await device.want(podOf('p1'));
    await device.killAgent();
    device.engine.afterStart = undefined;
    device.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await device.startAgent();
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    assert.equal(device.restartCount('p1'), 0);
    assert.equal(device.engine.calls.filter((call) => call.startsWith('create')).length, 1);
    await device.stopAgent();
  });

  test('what belongs to no pod is stopped and removed', async () => {
    const device = await deviceWith(podOf('p1'));
    await device.killAgent();
    device.desired.entries.clear();
    const other = new Device();
    await other.startAgent();
    await other.stopAgent();
    await device.startAgent();
    assert.deepEqual(device.engine.everything, []);
    await device.stopAgent();
  });

  test('the set and the disk are enough: no server is asked', async () => {
    const device = new Device();
    device.desired.put({ key: 'Pod/p1', digest: '', object: { ...podOf('p1') } });
    await device.startAgent();
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    await device.stopAgent();
  });

  test('after a power cut everything starts again with its count one higher', async () => {
    const device = await deviceWith(podOf('p1'));
    await device.killAgent();
    device.engine.reboot();
    device.bootId = 'boot-2';
    await device.startAgent();
    assert.deepEqual(device.engine.running, ['p1-app-1']);
    assert.equal(device.restartCount('p1'), 1);
    assert.equal(device.status('p1').containerStatuses?.[0]?.lastState?.terminated?.reason, 'Unknown');
    await device.stopAgent();
  });

  test('nothing is started before the engine was listed, and all once it was', async () => {
    const device = await deviceWith(podOf('p1'));
    await device.killAgent();
    device.engine.failing.set('list', new Error('engine is down'));
    await device.startAgent();
    await device.want(podOf('p2'));
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    device.engine.failing.clear();
    await device.advance(2_000);
    assert.deepEqual(device.engine.running, ['p1-app-0', 'p2-app-0']);
    await device.stopAgent();
  });
});

suite('an engine that stops answering', () => {
  const away = new DriverError('RuntimeUnavailable', 'podman ps: no answer within 30000 ms');
  const calls = ['list', 'sandbox', 'create', 'start', 'stop', 'remove', 'inspect'];

  test('is asked one question, its pods say that they wait, and everything goes on when it is back', async () => {
    const device = await deviceWith(podOf('p1'), podOf('p2'));
    for (const call of calls) device.engine.failing.set(call, away);
    device.engine.exit('p1-app-0', 1);
    await device.quiet();
    device.engine.calls.length = 0;
    await device.want(podOf('p3'));
    await device.unwant('p2');
    await device.advance(10 * 60_000);
    assert.deepEqual([...new Set(device.engine.calls)], ['list']);
    const told = device.events.filter((event) => event.startsWith('NodeNotReady'));
    assert.ok(told.length >= 3, 'one for each that has something to do');
    assert.match(told[0] ?? '', /^NodeNotReady: Waiting for .* does not answer: podman ps: no answer/);
    device.engine.failing.clear();
    await device.advance(30_000);
    assert.deepEqual(device.engine.running.toSorted(), ['p1-app-1', 'p3-app-0']);
    await device.stopAgent();
  });

  test('costs no restart when nothing happened meanwhile', async () => {
    const device = await deviceWith(podOf('p1'));
    for (const call of calls) device.engine.failing.set(call, away);
    await device.advance(10 * 60_000);
    device.engine.failing.clear();
    await device.advance(10 * 60_000);
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    assert.equal(device.restartCount('p1'), 0);
    await device.stopAgent();
  });
});

suite('a full disk', () => {
  test('keeps new pods from starting, and running ones running', async () => {
    const device = await deviceWith(podOf('p1'));
    device.disk.capacityBytes = 0;
    await device.want(podOf('p2'));
    assert.deepEqual(device.engine.running, ['p1-app-0']);
    device.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await device.advance(2_000);
    assert.deepEqual(device.engine.running, ['p1-app-0', 'p2-app-0']);
    await device.stopAgent();
  });
});

suite('two hundred pods', () => {
  test('cost one list and a few looks a minute when nothing changes, and no writes or reports', async () => {
    const device = new Device();
    device.podsMax = 300;
    await device.startAgent();
    await device.want(...Array.from({ length: 200 }, (_, at) => podOf(`p${at}`)));
    assert.equal(device.engine.running.length, 200);
    const before = [device.reports.length, device.journal?.bytesWritten];
    device.engine.calls.length = 0;
    await device.advance(59_000);
    assert.deepEqual(device.engine.calls, []);
    await device.advance(1_000);
    assert.equal(device.engine.calls.filter((call) => call === 'list').length, 1);
    assert.equal(device.engine.calls.length, 11);
    assert.deepEqual([device.reports.length, device.journal?.bytesWritten], before);
    await device.stopAgent();
  });
});
