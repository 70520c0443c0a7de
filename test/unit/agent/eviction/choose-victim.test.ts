import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { type Candidate, chooseVictim } from '../../../../agent/eviction/choose-victim.ts';

const mebi = 2 ** 20;
const memory = { signal: 'memory.available', available: 50 * mebi, threshold: 100 * mebi } as const;

function candidate(
  name: string,
  { uses, asks, priority = 0 }: { uses: number; asks?: number; priority?: number },
): Candidate {
  const requests = asks === undefined ? {} : { memory: `${asks}Mi`, 'ephemeral-storage': `${asks}Mi` };
  return {
    pod: {
      metadata: { name, namespace: 'ns', uid: name },
      spec: { priority, containers: [{ name: 'main', resources: { requests } }] },
    },
    usage: uses * mebi,
    containers: new Map([['main', uses * mebi]]),
  };
}

test('who asked for nothing goes before who keeps within what it asked for, however much that is', () => {
  const victim = chooseVictim(memory, [
    candidate('guaranteed', { uses: 500, asks: 500 }),
    candidate('best-effort', { uses: 10 }),
    candidate('burstable', { uses: 90, asks: 100 }),
  ]);
  assert.equal(victim?.name, 'best-effort');
  assert.equal(
    victim.message,
    'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container main was using 10Mi, request is 0, has larger consumption of memory. ',
  );
});

test('among those beyond their request the less important goes, then who is further beyond', () => {
  const important = candidate('important', { uses: 900, asks: 1, priority: 10 });
  const small = candidate('small', { uses: 20, asks: 10 });
  const large = candidate('large', { uses: 120, asks: 100 });
  assert.equal(chooseVictim(memory, [important, small, large])?.name, 'large');
  assert.equal(chooseVictim(memory, [important])?.name, 'important');
});

test('parts of the system are never evicted', () => {
  const system = candidate('system', { uses: 900, priority: 2_000_000_000 });
  assert.equal(chooseVictim(memory, [system]), undefined);
  assert.equal(chooseVictim(memory, []), undefined);
});

test('a shortage of process ids is told in numbers', () => {
  const pids = { signal: 'pid.available', available: 3, threshold: 10 } as const;
  const bomb = { ...candidate('bomb', { uses: 0 }), usage: 500, containers: new Map([['main', 500]]) };
  assert.match(
    chooseVictim(pids, [bomb])?.message ?? '',
    /low on resource: pids\. Threshold quantity: 10, available: 3\. Container main was using 500, request is 0, has larger/,
  );
});

test('property: nobody within its request goes while somebody beyond is there', () => {
  const one = fc.record({
    uses: fc.integer({ min: 0, max: 200 }),
    asks: fc.option(fc.integer({ min: 1, max: 200 }), { nil: 0 }),
    priority: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(one, { minLength: 1, maxLength: 8 }), (pods) => {
      const named = pods.map((pod, index) => candidate(String(index), pod));
      const chosen = pods[Number(chooseVictim(memory, named)?.name)];
      assert.ok(chosen);
      const beyond = (pod: { uses: number; asks: number }) => pod.uses > pod.asks;
      if (pods.some(beyond)) assert.ok(beyond(chosen));
    }),
  );
});
