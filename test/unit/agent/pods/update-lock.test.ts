import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { freeAfterMs, lookEveryMs, UpdateLock } from '../../../../agent/pods/update-lock.ts';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { parseUpdateLock } from '../../../../protocol/update-lock.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const pod = (annotation?: string, volume: object = { emptyDir: {} }): Pod => ({
  metadata: { uid: 'u', annotations: annotation ? { 'fleet.flotilla.dev/update-lock': annotation } : {} },
  spec: { containers: [], volumes: [{ name: 'run', ...volume }] },
});

suite('the lock that an app holds against updates', () => {
  test('is a file in an emptyDir of the pod, and nothing else', () => {
    assert.deepEqual(parseUpdateLock('run/update.lock'), { volume: 'run', file: 'update.lock' });
    for (const text of [undefined, '', 'run', 'run/', 'run/..', 'run/../x', 'run/a/b', '/run/x', '../x'])
      assert.equal(parseUpdateLock(text), undefined, text ?? 'none');
  });

  test('costs a pod that names none nothing, nor one whose file is not in an emptyDir', async () => {
    const hasFile = () => assert.fail('nobody looks');
    const lock = new UpdateLock({ clock: new ManualClock(), volumes: { hasFile } });
    for (const one of [undefined, pod(), pod('run/l', { hostPath: { path: '/etc' } }), pod('other/l')]) {
      assert.equal(await lock.look(one), undefined);
      assert.equal(lock.condition, undefined);
    }
  });

  test('is told at once when it is taken, and given up only when it was free for a while', async () => {
    const clock = new ManualClock();
    let there: boolean | undefined;
    const lock = new UpdateLock({ clock, volumes: { hasFile: async () => there } });
    const look = async () => {
      assert.equal(await lock.look(pod('run/l')), lookEveryMs);
      return lock.condition?.status;
    };
    assert.equal(await look(), undefined, 'its volumes are not made yet');
    there = false;
    assert.equal(await look(), 'False');
    there = true;
    assert.equal(await look(), 'True');
    const since = lock.condition?.lastTransitionTime;
    there = false;
    await clock.advance(freeAfterMs - 1);
    assert.equal(await look(), 'True', 'between two jobs');
    there = undefined;
    await clock.advance(freeAfterMs);
    assert.equal(await look(), 'True', 'what cannot be told is as it was');
    assert.equal(lock.condition?.lastTransitionTime, since);
    there = false;
    assert.equal(await look(), 'False');
    there = true;
    assert.equal(await look(), 'True');
    assert.equal(await lock.look(pod()), undefined);
    assert.equal(lock.condition?.status, 'False', 'a pod that names no file any more holds nothing');
  });
});
