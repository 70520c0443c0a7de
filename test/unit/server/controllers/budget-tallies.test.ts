import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { LabelSelector, Pod } from '../../../../protocol/generated/models.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../../../../protocol/kinds/pod-disruption-budget.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { controllerOf } from '../../../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../../../protocol/selectors.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import type { Follow } from '../../../../server/controllers/define-controller.ts';
import { BudgetTallies, type Tally } from '../../../../server/controllers/disruption/budget-tallies.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const selectors: readonly LabelSelector[] = [
  {},
  { matchLabels: { app: 'web' } },
  { matchLabels: { app: 'web', tier: 'front' } },
  { matchExpressions: [{ key: 'tier', operator: 'Exists' }] },
];
const labels = [{}, { app: 'web' }, { app: 'web', tier: 'front' }, { tier: 'back' }];

async function world() {
  const clock = new ManualClock();
  const store = createMemoryStore({ clock, random: seededRandom(1) });
  const log = silentLogger;
  const registry = createRegistry({ store, clock, random: seededRandom(2), log, kinds });
  await registry.create(namespaceKind, { metadata: { name: 'default' } });
  const cache = createCache({ registry, clock, log });
  const follow: Follow = (informer, handler) => void informer.onChange(handler);
  const changed = new Set<string>();
  const tallies = new BudgetTallies({ cache, follow }, (key) => void changed.add(key));
  await cache.synced();
  const pods = () => [...cache.informer(podKind).list()];
  return { clock, registry, cache, tallies, changed, pods };
}

function shown(tally: Tally) {
  const owners = tally
    .owners()
    .map(({ reference }) => reference.uid)
    .sort();
  return { total: tally.total, healthy: tally.healthy, unmanaged: tally.unmanaged, owners };
}

function recount(selector: LabelSelector, pods: readonly Readonly<Pod>[]) {
  const matches = compileLabelSelector(selector);
  const selected = pods.filter(({ metadata }) => matches(metadata?.labels));
  const owners = selected.flatMap((pod) => controllerOf(pod)?.uid ?? []);
  return {
    total: selected.length,
    healthy: selected.filter(
      ({ metadata, status }) => !metadata?.deletionTimestamp && status?.conditions?.[0]?.status === 'True',
    ).length,
    unmanaged: selected.length - owners.length,
    owners: [...new Set(owners)].sort(),
  };
}

const step = fc.record({
  what: fc.constantFrom('pod', 'ready', 'relabel', 'delete', 'finish', 'selector'),
  index: fc.nat(3),
  of: fc.nat(3),
  ready: fc.boolean(),
});

test('what a budget counts is what counting anew gives, and who counts differently is told', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { clock, registry, cache, tallies, changed, pods } = await world();
      await registry.create(podDisruptionBudgetKind, {
        metadata: { name: 'b', namespace: 'default' },
        spec: { minAvailable: 1, selector: selectors[1] ?? {} },
      });
      await clock.advance(0);
      let selector = selectors[1] ?? {};
      for (const { what, index, of, ready } of steps) {
        const before = shown(tallies.of('default/b'));
        changed.clear();
        const at = { namespace: 'default', name: `p${index}` };
        if (what === 'selector') selector = selectors[of] ?? {};
        await act(registry, { what, at, of, ready, selector }).catch(() => undefined);
        await clock.advance(0);
        const after = shown(tallies.of('default/b'));
        assert.deepEqual(after, recount(selector, pods()));
        if (JSON.stringify(before) !== JSON.stringify(after)) assert.deepEqual([...changed], ['default/b']);
      }
      await cache[Symbol.asyncDispose]();
    }),
    { numRuns: 40 },
  );
});

interface Act {
  what: string;
  at: { namespace: string; name: string };
  of: number;
  ready: boolean;
  selector: LabelSelector;
}

async function act(
  registry: Awaited<ReturnType<typeof world>>['registry'],
  { what, at, of, ready, selector }: Act,
): Promise<void> {
  if (what === 'pod') {
    const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'o', uid: `o${of}`, controller: true };
    const ownerReferences = ready ? [owner] : [];
    const spec = { nodeName: 'a', containers: [{ name: 'c', image: 'i' }] };
    await registry.create(podKind, { metadata: { ...at, labels: labels[of] ?? {}, ownerReferences }, spec });
  } else if (what === 'ready') {
    const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
    const change = (draft: Pod) => void (draft.status = { ...draft.status, conditions });
    await registry.mutate(podKind, at, change, { subresource: 'status' });
  } else if (what === 'relabel') {
    await registry.mutate(
      podKind,
      at,
      ({ metadata }) => void (metadata && (metadata.labels = labels[of] ?? {})),
    );
  } else if (what === 'selector') {
    const change = { namespace: 'default', name: 'b' };
    await registry.mutate(
      podDisruptionBudgetKind,
      change,
      ({ spec }) => void (spec && (spec.selector = selector)),
    );
  } else {
    await registry.delete(podKind, at, what === 'finish' ? { gracePeriodSeconds: 0 } : {});
  }
}
