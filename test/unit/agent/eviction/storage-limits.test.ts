import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import {
  enforceStorageLimits,
  limitsStorage,
  storageBreach,
} from '../../../../agent/eviction/storage-limits.ts';
import { silentLogger } from '../../../../lib/log.ts';
import type { Pod } from '../../../../protocol/generated/models.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const limits = (amount: string) => ({ limits: { 'ephemeral-storage': amount } });
const pod = (spec: Partial<NonNullable<Pod['spec']>>): Pod => ({
  metadata: { uid: 'u1' },
  spec: { containers: [{ name: 'app' }], ...spec },
});
const use = (facts: { volume?: number; app?: number; total?: number }) => ({
  volumes: new Map([['cache', facts.volume ?? 0]]),
  containers: new Map([['app', facts.app ?? 0]]),
  total: facts.total ?? 0,
});

suite('limits of what a pod has on disk', () => {
  test('a volume, the pod and a container are held to their own limits, in kubelet’s words', () => {
    const cached = pod({ volumes: [{ name: 'cache', emptyDir: { sizeLimit: '1Ki' } }] });
    assert.equal(storageBreach(cached, use({ volume: 1024, total: 1e9 })), undefined);
    assert.equal(
      storageBreach(cached, use({ volume: 1025 })),
      'Usage of EmptyDir volume "cache" exceeds the limit "1Ki". ',
    );
    const both = pod({
      containers: [
        { name: 'app', resources: limits('1Ki') },
        { name: 'side', resources: limits('1Ki') },
      ],
    });
    assert.equal(
      storageBreach(both, use({ total: 2049 })),
      'Pod ephemeral local storage usage exceeds the total limit of containers 2Ki. ',
    );
    assert.equal(
      storageBreach(both, use({ app: 1025, total: 1025 })),
      'Container app exceeded its local ephemeral storage limit "1Ki". ',
    );
  });

  test('nobody else is measured: pods without limits, volumes in memory', () => {
    assert.equal(limitsStorage(pod({})), false);
    const inMemory = { name: 'cache', emptyDir: { medium: 'Memory', sizeLimit: '1Ki' } };
    assert.equal(limitsStorage(pod({ volumes: [inMemory] })), false);
    assert.equal(storageBreach(pod({ volumes: [inMemory] }), use({ volume: 1e9 })), undefined);
  });

  test('what lies in the folders of a pod counts', async (t) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'flotilla-storage-'));
    t.after(() => rm(dataDir, { recursive: true, force: true }));
    await mkdir(join(dataDir, 'volumes/u1/cache'), { recursive: true });
    await writeFile(join(dataDir, 'volumes/u1/cache/file'), Buffer.alloc(100_000, 1));
    const evicted: string[] = [];
    const look = (sizeLimit: string) =>
      enforceStorageLimits({
        dataDir,
        clock: new ManualClock(),
        log: silentLogger,
        files: { read: () => Promise.resolve(undefined) },
        evictable: () => [pod({ volumes: [{ name: 'cache', emptyDir: { sizeLimit } }] })],
        running: () => [],
        evict: ({ uid, message }) => evicted.push(`${uid}: ${message}`),
      });
    await look('1Mi');
    assert.deepEqual(evicted, []);
    await look('50k');
    assert.deepEqual(evicted, ['u1: Usage of EmptyDir volume "cache" exceeds the limit "50k". ']);
  });
});
