import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { PodRecord } from '../../../../agent/pods/pod-record.ts';
import { parsePodRecord } from '../../../../agent/pods/pod-record.ts';
import { afterReboot, recover } from '../../../../agent/pods/recovery.ts';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { container, exited, handle, PodLife, pod, sandbox, uid, wallMs } from './plan-cases.ts';

const now = { wallMs, monotonicMs: 0 };

function recovery(options: {
  records?: PodRecord[];
  wanted?: Pod;
  sandboxes?: object[];
  attempts?: number[];
}) {
  const { records = [], wanted, attempts = [] } = options;
  return recover(
    {
      driver: 'fake',
      sandboxes: (options.sandboxes ?? [sandbox]) as (typeof sandbox)[],
      containers: attempts.map((attempt) => handle('app', attempt)),
    },
    {
      records: new Map(records.map((record) => [record.uid, record])),
      desired: (asked) => (asked === uid ? wanted : undefined),
      bootId: 'b1',
      now,
    },
  );
}

suite('recovery', () => {
  const settled = () => new PodLife(pod()).settle().state.record;

  test('what the record knows is left alone', () => {
    const result = recovery({ records: [settled()], wanted: pod(), attempts: [0] });
    assert.deepEqual(result, { adopted: [], orphans: { sandboxes: [], containers: [] } });
  });

  test('a container started but not written down is adopted, not doubled', () => {
    const record = new PodLife(pod()).settle().exit('app', 1).state.record;
    const { adopted, orphans } = recovery({ records: [record], wanted: pod(), attempts: [0, 1] });
    assert.deepEqual(orphans.containers, []);
    const app = adopted[0]?.containers['app'];
    assert.deepEqual([app?.handle.attempt, app?.previous?.handle.attempt, app?.exit], [1, 0, undefined]);
  });

  test('so is the very first container and its sandbox', () => {
    const fresh = new PodLife(pod()).state.record;
    const { adopted } = recovery({ records: [fresh], wanted: pod(), attempts: [0] });
    assert.deepEqual([adopted[0]?.sandbox?.id, adopted[0]?.containers['app']?.handle.id], ['sb', 'app-0']);
    const life = new PodLife(pod(), adopted[0]);
    assert.deepEqual(life.steps(), [], 'nothing is done before it was looked at');
  });

  test('what belongs to no pod is an orphan', () => {
    const { orphans } = recovery({ attempts: [0] });
    assert.deepEqual([orphans.containers.length, orphans.sandboxes.length], [1, 1]);
  });

  test('so are attempts older than any that is referred to, and a second sandbox', () => {
    const life = new PodLife(pod()).settle();
    for (let crash = 0; crash < 3; crash++) {
      life.exit('app', 1).advance(300_000);
      life.settle();
    }
    const sandboxes = [sandbox, { ...sandbox, id: 'other' }];
    const { adopted, orphans } = recovery({
      records: [life.state.record],
      wanted: pod(),
      attempts: [1, 2, 3],
      sandboxes,
    });
    assert.deepEqual(adopted, []);
    assert.deepEqual(
      orphans.containers.map(({ attempt }) => attempt),
      [1],
    );
    assert.deepEqual(
      orphans.sandboxes.map(({ id }) => id),
      ['other'],
    );
  });

  test('a wanted pod that the journal lost is adopted with its restart count', () => {
    const { adopted, orphans } = recovery({ wanted: pod(), attempts: [4, 5] });
    assert.deepEqual(orphans.containers, []);
    const app = adopted[0]?.containers['app'];
    assert.deepEqual([app?.handle.attempt, app?.previous?.handle.attempt], [5, 4]);
  });

  test('another runtime’s things of the same pod are orphans here', () => {
    const record = { ...settled(), runtime: 'other' };
    assert.equal(recovery({ records: [record], wanted: pod(), attempts: [0] }).orphans.containers.length, 1);
  });

  test('a record survives the journal as it is', () => {
    const { record } = new PodLife(pod()).settle().exit('app', 1).settle().state;
    assert.deepEqual(parsePodRecord(JSON.parse(JSON.stringify(record))), record);
    assert.equal(parsePodRecord({ uid: 'u1' }), undefined);
  });
});

suite('after a reboot', () => {
  test('containers start again at once with their restart count one higher', () => {
    const life = new PodLife(pod()).settle().exit('app', 1).settle().exit('app', 1);
    const after = new PodLife(pod(), afterReboot(life.state.record, 'b2'));
    after.context = { ...after.context, pullsImages: () => false };
    after.on({ type: 'observed', sandbox: { state: 'ready', podIps: [] }, containers: {} });
    assert.deepEqual(after.steps(), ['run app-2']);
  });

  test('init containers run again first', () => {
    const wanted = pod({ initContainers: [container('one')] });
    const life = new PodLife(wanted).settle().exit('one', 0).settle();
    const after = new PodLife(wanted, afterReboot(life.state.record, 'b2'));
    after.context = { ...after.context, pullsImages: () => false };
    const containers = { app: exited(undefined, after.now) };
    after.on({ type: 'observed', sandbox: { state: 'ready', podIps: [] }, containers });
    assert.deepEqual(after.steps(), ['run one-1']);
  });

  test('a pod that never restarts has failed, when nobody saw its end', () => {
    const wanted = pod({ restartPolicy: 'Never' });
    const life = new PodLife(wanted).settle();
    const after = new PodLife(wanted, afterReboot(life.state.record, 'b2'));
    after.on({
      type: 'observed',
      sandbox: { state: 'missing' },
      containers: { app: exited(undefined, after.now) },
    });
    assert.deepEqual([after.steps(), after.status().phase], [['stop sandbox'], 'Failed']);
  });

  test('within the same boot the record is untouched', () => {
    const { record } = new PodLife(pod()).settle().state;
    assert.equal(afterReboot(record, 'b1'), record);
  });
});
