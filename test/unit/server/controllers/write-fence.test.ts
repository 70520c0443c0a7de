import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { WriteFence } from '../../../../server/controllers/write-fence.ts';

/** As much of an informer as a fence reads. */
class Shown {
  resourceVersion = '10';
  readonly #pods = new Map<string, Pod>();
  readonly kind = podKind;
  readonly size = 0;

  show(pod: Pod): void {
    this.#pods.set(pod.metadata?.uid ?? '', pod);
    this.resourceVersion = pod.metadata?.resourceVersion ?? '';
  }

  remove(uid: string): void {
    this.#pods.delete(uid);
  }

  getByUid(uid: string): Pod | undefined {
    return this.#pods.get(uid);
  }

  fence(): WriteFence<Pod> {
    const unused = () => assert.fail('a fence has no need of this');
    const rest = {
      get: unused,
      list: unused,
      byIndex: unused,
      eachByIndex: unused,
      addIndex: unused,
      hasIndex: unused,
      onChange: unused,
    };
    const version = () => this.resourceVersion;
    const { kind, size } = this;
    return new WriteFence<Pod>({
      kind,
      size,
      ...rest,
      getByUid: (uid) => this.getByUid(uid),
      get resourceVersion() {
        return version();
      },
    });
  }
}

const pod = (resourceVersion: string, deletionTimestamp?: string): Pod => ({
  metadata: { name: 'p', uid: 'p', resourceVersion, ...(deletionTimestamp ? { deletionTimestamp } : {}) },
});

test('a key waits until the cache has reached the last thing written for it; other keys do not', () => {
  const shown = new Shown();
  const fence = shown.fence();
  fence.wrote('web', pod('12'));
  fence.wrote('web', pod('11'));
  assert.ok(!fence.isOpen('web'));
  assert.ok(fence.isOpen('other'));
  shown.show(pod('11'));
  assert.ok(!fence.isOpen('web'));
  shown.show(pod('12'));
  assert.ok(fence.isOpen('web'));
});

test('a removed object has no revision: the key waits until the cache shows it gone, or going', () => {
  const shown = new Shown();
  shown.show(pod('10'));
  const fence = shown.fence();
  fence.deleted('web', 'p');
  assert.ok(!fence.isOpen('web'));
  shown.remove('p');
  assert.ok(fence.isOpen('web'));
  shown.show(pod('11'));
  fence.deleted('web', 'p');
  assert.ok(!fence.isOpen('web'));
  shown.show(pod('12', '2026-01-01T00:00:00Z'));
  assert.ok(fence.isOpen('web'));
});

test('a key that is forgotten waits for nothing', () => {
  const fence = new Shown().fence();
  fence.wrote('web', pod('99'));
  fence.forget('web');
  assert.ok(fence.isOpen('web'));
});
