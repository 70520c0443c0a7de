import assert from 'node:assert/strict';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { systemClock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import { StatusError } from '../../protocol/status.ts';
import { createCache } from '../../server/cache/create-cache.ts';
import type { Registry, Selection, WatchRequest } from '../../server/registry/registry.ts';
import { openLevelStore } from '../../server/store/level-store.ts';
import { createMemoryStore } from '../../server/store/memory-store.ts';
import type { Store } from '../../server/store/store.ts';
import { openRegistry, type Widget, widgetKind } from '../unit/server/registry/registry-fixture.ts';

/** The registry and the cache over every store driver: what a watch tells adds up to what a list shows. */
const drivers: Record<string, (directory: string) => Promise<Store>> = {
  memory: async () => createMemoryStore({ clock: systemClock }),
  Level: (directory) => openLevelStore({ directory, clock: systemClock, log: silentLogger }),
};

type Write =
  | { type: 'create' | 'update'; name: string; colour: string; label: string }
  | { type: 'delete'; name: string; grace: number }
  | { type: 'hold' | 'release'; name: string };

const name = fc.constantFrom('a', 'ab', 'b');
const label = fc.constantFrom('web', 'db');
const colour = fc.constantFrom('red', 'grey');
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ type: fc.constantFrom('create' as const, 'update' as const), name, colour, label }),
  fc.record({ type: fc.constant('delete' as const), name, grace: fc.constantFrom(0, 30) }),
  fc.record({ type: fc.constantFrom('hold' as const, 'release' as const), name }),
);

const selections: Selection[] = [
  {},
  { namespace: 'default' },
  { namespace: 'other' },
  { labelSelector: 'app=web' },
  { fieldSelector: 'spec.colour!=red' },
  { namespace: 'default', fieldSelector: 'metadata.name=a' },
];

for (const [driver, open] of Object.entries(drivers)) {
  describe(`over the ${driver} store`, () => {
    test('under random writes, what a watch told adds up to the list, from wherever it began', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(write, { maxLength: 30 }), fc.nat(30), async (writes, joinAfter) => {
          await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-registry-'));
          await using fixture = await openRegistry({ store: await open(folder.path) });
          const { registry } = fixture;
          const abort = new AbortController();
          const follow = async (selection: Selection) => {
            const { items, resourceVersion } = await registry.list(widgetKind, selection);
            return fold(registry, items, { ...selection, resourceVersion, signal: abort.signal });
          };
          const folds = await Promise.all(selections.map(follow));
          for (const [index, each] of writes.entries()) {
            if (index === joinAfter) folds.push(...(await Promise.all(selections.map(follow))));
            await apply(registry, each);
          }
          for (const [index, selection] of [...selections, ...selections].entries()) {
            const state = folds[index];
            if (!state) break;
            const { items } = await registry.list(widgetKind, selection);
            await until(() => sameObjects(state.objects.values(), items));
          }
          abort.abort();
          await Promise.all(folds.map(({ ended }) => ended));
        }),
        { numRuns: 100 },
      );
    });

    test('a cache ends where the list does, and its changes tell the way there', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(write, { maxLength: 30 }), async (writes) => {
          await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-registry-'));
          await using fixture = await openRegistry({ store: await open(folder.path) });
          const { registry, clock } = fixture;
          await using cache = createCache({ registry, clock, log: silentLogger });
          const informer = cache.informer(widgetKind);
          const told = new Map<string, Readonly<Widget>>();
          const misfits: string[] = [];
          informer.onChange(({ type, object }) => {
            const { uid = '' } = object.metadata ?? {};
            if (told.has(uid) !== (type !== 'added')) misfits.push(`${type} ${object.metadata?.name}`);
            if (type === 'deleted') told.delete(uid);
            else told.set(uid, object);
          });
          await Promise.all([cache.synced(), ...writes.map((each) => apply(registry, each))]);
          const { items } = await registry.list(widgetKind);
          await until(() => sameObjects(informer.list(), items));
          assert.ok(sameObjects(told.values(), items));
          assert.deepEqual(misfits, []);
        }),
        { numRuns: 100 },
      );
    });
  });
}

/** Applies every change to `objects` as it comes, refusing one that does not fit. */
function fold(registry: Registry, items: readonly Widget[], request: WatchRequest) {
  const objects = new Map<string, Readonly<Widget>>(
    items.map((object) => [object.metadata?.uid ?? '', object]),
  );
  const run = async () => {
    for await (const change of registry.watch(widgetKind, request)) {
      if (change.type === 'BOOKMARK') continue;
      const { uid = '' } = change.object.metadata ?? {};
      assert.equal(objects.has(uid), change.type !== 'ADDED', `${change.type} does not fit`);
      if (change.type === 'DELETED') objects.delete(uid);
      else objects.set(uid, change.object);
    }
  };
  return { objects, ended: run() };
}

async function apply(registry: Registry, each: Write): Promise<void> {
  try {
    await perform(registry, each);
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    assert.ok(['NotFound', 'AlreadyExists', 'Invalid'].includes(error.reason), error.message);
  }
}

async function perform(registry: Registry, each: Write): Promise<void> {
  const at = { namespace: each.name === 'b' ? 'other' : 'default', name: each.name };
  switch (each.type) {
    case 'create':
      await registry.create(widgetKind, {
        metadata: { ...at, labels: { app: each.label } },
        spec: { colour: each.colour },
      });
      return;
    case 'update':
      await registry.mutate(widgetKind, at, (draft) => {
        (draft.metadata ??= {}).labels = { app: each.label };
        (draft.spec ??= {}).size = each.colour.length;
      });
      return;
    case 'delete':
      await registry.delete(widgetKind, at, { gracePeriodSeconds: each.grace });
      return;
    case 'hold':
    case 'release':
      await registry.mutate(widgetKind, at, (draft) => {
        (draft.metadata ??= {}).finalizers = each.type === 'hold' ? ['hold'] : [];
      });
      return;
    default:
      each satisfies never;
  }
}

function sameObjects(left: Iterable<Readonly<Widget>>, right: Iterable<Readonly<Widget>>): boolean {
  const versions = (objects: Iterable<Readonly<Widget>>) =>
    [...objects].map(({ metadata }) => `${metadata?.uid}@${metadata?.resourceVersion}`).sort();
  return versions(left).join() === versions(right).join();
}

async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 2000; turns += 1) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail('the watch did not arrive where the list is');
}
