import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { mergeResolver } from '../../../../agent/drivers/oci/container-files.ts';
import { hostsFile, podHostname, resolverFile } from '../../../../agent/pods/pod-names.ts';
import { initialState } from '../../../../agent/pods/pod-state.ts';
import { clipped, inspectWithMessage } from '../../../../agent/pods/termination-message.ts';
import type { EphemeralContainer } from '../../../../protocol/generated/models.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { Device } from './device.ts';
import { FakeEngine } from './fake-engine.ts';
import { container, exited, findStep, handle, PodLife, pod } from './plan-cases.ts';

suite('activeDeadlineSeconds', () => {
  const limited = pod({ activeDeadlineSeconds: 100 });

  test('over, the pod is stopped and has failed for good, whatever its restart policy', () => {
    const life = new PodLife(limited).settle();
    life.advance(99_000);
    assert.deepEqual(life.steps(), []);
    life.advance(1_000);
    const planned = life.plan();
    assert.equal(planned.failed?.reason, 'DeadlineExceeded');
    assert.deepEqual(life.steps(), ['stop app-0 30000']);
    const record = { ...life.state.record, ...(planned.failed ? { failed: planned.failed } : {}) };
    life.state = { ...life.state, record };
    assert.equal(life.status().phase, 'Running', 'while something of it runs');
    life.settle();
    const { phase, reason, message } = life.status();
    assert.deepEqual(
      { phase, reason, message },
      {
        phase: 'Failed',
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      },
    );
    assert.equal(life.condition('Ready')?.reason, 'PodFailed');
    assert.deepEqual(life.steps(), []);
  });

  test('is not touched by a wall clock that jumps, and goes on counting in the next life of the agent', async () => {
    const device = new Device();
    await device.startAgent();
    const wanted = pod({ activeDeadlineSeconds: 100 }, { uid: 'p1', name: 'p1' });
    await device.want(wanted);
    device.clock.jumpWall(50 * 365 * 86_400_000);
    await device.advance(60_000);
    await device.killAgent();
    device.clock.jumpWall(-100 * 365 * 86_400_000);
    await device.startAgent();
    await device.advance(30_000);
    assert.equal(device.status('p1').phase, 'Running');
    await device.advance(20_000);
    assert.deepEqual([device.status('p1').phase, device.status('p1').reason], ['Failed', 'DeadlineExceeded']);
    assert.ok(device.events.some((event) => event.startsWith('DeadlineExceeded')));
    await device.stopAgent();
  });
});

suite('termination messages', () => {
  const engineWith = (message: string, exitCode: number) => {
    const engine = new FakeEngine(new ManualClock());
    return Object.assign(engine, {
      inspect: async () => exited(exitCode, { wallMs: 5_000, monotonicMs: 0 }),
      terminationMessage: async () => message,
      async *logs() {
        yield Buffer.from(`${'x'.repeat(3_000)}the end`);
      },
    });
  };
  const falling = container('app', { terminationMessagePolicy: 'FallbackToLogsOnError' });
  const read = async (engine: FakeEngine, of = falling) => {
    const state = await inspectWithMessage(engine, handle('app'), of);
    return state.state === 'exited' ? state.message : undefined;
  };

  test('come from the file, and from the end of the log only when that is asked for and the container failed', async () => {
    assert.equal(await read(engineWith('said', 1)), 'said');
    const logged = await read(engineWith('', 1));
    assert.ok(logged?.endsWith('the end') && logged.length === 2048);
    assert.equal(await read(engineWith('', 0)), undefined);
    assert.equal(await read(engineWith('', 1), container('app')), undefined);
  });

  test('are shown within what the containers of the pod have together', () => {
    const containers = ['a', 'b', 'c', 'd'].map((name) => container(name));
    const life = new PodLife(pod({ restartPolicy: 'Never', containers })).settle();
    const state = { ...exited(1, life.now), message: 'é'.repeat(3_000) };
    life.on({ type: 'observed', containers: { a: state } });
    assert.equal(life.containerStatus('a').state?.terminated?.message, 'é'.repeat(1_536));
  });

  test('are never cut within a character', () => {
    assert.equal(clipped('aé', 2), 'a');
    assert.equal(clipped('aé', 3), 'aé');
  });
});

suite('ephemeral containers', () => {
  test('one that asks for what the node does not enforce is not run, and says so', () => {
    const life = new PodLife(pod()).settle();
    life.state = { ...life.state, record: { ...life.state.record, runtime: 'process' } };
    const securityContext = { seccompProfile: { type: 'RuntimeDefault' } };
    life.wanted = pod({ ephemeralContainers: [container('debug', { securityContext })] });
    life.settle();
    assert.equal(life.state.record.containers['debug'], undefined);
    const [status] = life.status().ephemeralContainerStatuses ?? [];
    assert.match(status?.state?.waiting?.message ?? '', /seccompProfile .* is not enforced by this node/);
  });

  const looking: EphemeralContainer = { name: 'look', image: 'busybox:1', targetContainerName: 'app' };

  test('start beside what runs, see the target’s processes, and never start again', () => {
    const life = new PodLife(pod()).settle();
    life.wanted = pod({ ephemeralContainers: [looking] });
    assert.deepEqual(life.steps(), ['pull busybox:1 IfNotPresent']);
    for (const step of life.begin())
      if (step.type === 'pullImage') life.on({ ...step, type: 'imagePulled', imageId: '' });
    assert.deepEqual(findStep(life, 'runContainer').spec.pids, handle('app'));
    life.settle().exit('look', 1);
    assert.deepEqual(life.steps(), []);
    assert.equal(life.status().ephemeralContainerStatuses?.[0]?.state?.terminated?.exitCode, 1);
    assert.equal(life.status().phase, 'Running');
    assert.equal(life.condition('Ready')?.status, 'True');
  });

  test('are stopped with the pod and removed first', () => {
    const wanted = pod({ restartPolicy: 'Never', ephemeralContainers: [looking] });
    const life = new PodLife(wanted).settle();
    assert.deepEqual(life.exit('app', 0).steps(), ['stop look-0 30000']);
    life.wanted = { ...wanted, metadata: { ...wanted.metadata, deletionTimestamp: '2026' } };
    life.exit('look', 137);
    assert.deepEqual(life.steps(), ['remove look-0']);
  });
});

suite('names', () => {
  test('a pod’s host name is short, qualified where it asks for that and has a subdomain', () => {
    assert.equal(podHostname(pod({ hostname: 'h'.repeat(70) }), 'node'), 'h'.repeat(63));
    assert.equal(podHostname(pod({ hostNetwork: true }), 'node'), 'node');
    const qualified = pod({ hostname: 'db', subdomain: 'data', setHostnameAsFQDN: true });
    assert.equal(podHostname(qualified, 'node'), 'db.data.ns.svc.cluster.local');
  });

  test('the hosts file is the runtime’s own unless the pod says something', () => {
    assert.equal(hostsFile(pod(), ['10.1.0.5']), undefined);
    const hostAliases = [{ ip: '192.0.2.7', hostnames: ['coffee', 'tea'] }];
    const { text = '', ofHost } = hostsFile(pod({ subdomain: 'data', hostAliases }), ['10.1.0.5']) ?? {};
    assert.equal(ofHost, false);
    assert.match(text, /^# Kubernetes-managed hosts file\.\n127\.0\.0\.1\tlocalhost\n/);
    assert.match(text, /^10\.1\.0\.5\tweb\.data\.ns\.svc\.cluster\.local\tweb$/m);
    assert.match(text, /\n# Entries added by HostAliases\.\n192\.0\.2\.7\tcoffee\ttea\n$/);
    assert.equal(hostsFile(pod({ hostNetwork: true, hostAliases }), [])?.ofHost, true);
  });

  test('dnsConfig goes with the host’s, or alone with dnsPolicy None', () => {
    const dnsConfig = {
      nameservers: ['192.0.2.53'],
      searches: ['barn'],
      options: [{ name: 'ndots', value: '2' }],
    };
    const host = 'search home\nnameserver 192.0.2.1\noptions ndots:5 rotate\n';
    const own = resolverFile(pod({ dnsConfig }));
    assert.ok(own?.ofHost);
    assert.equal(
      mergeResolver(host, own),
      'search home barn\nnameserver 192.0.2.1\nnameserver 192.0.2.53\noptions rotate ndots:2\n',
    );
    assert.equal(resolverFile(pod({ dnsPolicy: 'None', dnsConfig }))?.ofHost, false);
    assert.equal(resolverFile(pod({ dnsPolicy: 'ClusterFirst' })), undefined);
  });
});

test('a record of an earlier version has everything it needs', () => {
  const life = new PodLife(pod()).settle();
  const { activeBeforeMs, doomed } = initialState(life.state.record, life.now);
  assert.deepEqual([activeBeforeMs, doomed], [0, {}]);
});
