/** Whatever is done to them, the Level driver and the memory store answer alike: results, errors, lists, watches. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as fc from 'fast-check';
import type { Entry, Operation, Store } from '../../../server/store/store.ts';
import { bytes, levelDriver, memoryDriver, type OpenedStore, text } from './drivers.ts';
import { describeEvent } from './watching.ts';

type Step =
  | { do: 'write'; writes: Write[] }
  | { do: 'get'; key: string; age: number }
  | { do: 'list'; prefix: string; start: string | undefined; limit: number; age: number }
  | { do: 'count'; prefix: string }
  | { do: 'watch'; prefix: string; age: number }
  | { do: 'compact'; age: number }
  | { do: 'restart' };

/** `age`: how many revisions before the last one it expects; a write may also expect one that never was. */
type Write =
  | { do: 'create'; key: string; value: string }
  | { do: 'update'; key: string; value: string; off: number }
  | { do: 'delete'; key: string; off: number | undefined }
  | { do: 'txn'; guards: { key: string; off: number }[]; puts: [string, string][]; deletes: string[] };

const key = fc.constantFrom('a', 'a/', 'a/b', 'a/b/c', 'a\0', 'a-b', 'b', 'é', '\uff61', '\u{10000}');
const prefix = fc.constantFrom('', 'a', 'a/', 'a/b', 'b', 'é', 'x');
const value = fc.string({ maxLength: 4 });
// Mostly what is there, so that writes succeed.
const off = fc.oneof({ weight: 6, arbitrary: fc.constant(0) }, fc.integer({ min: -2, max: 2 }));
const age = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: -1, max: 12 }));

const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('create' as const), key, value }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('update' as const), key, value, off }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('delete' as const),
      key,
      off: fc.option(off, { nil: undefined }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('txn' as const),
      guards: fc.array(fc.record({ key, off }), { maxLength: 2 }),
      puts: fc.array(fc.tuple(key, value), { maxLength: 3 }),
      deletes: fc.array(key, { maxLength: 2 }),
    }),
  },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      writes: fc.array(write, { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('get' as const), key, age }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('list' as const),
      prefix,
      start: fc.option(key, { nil: undefined }),
      limit: fc.integer({ min: 0, max: 4 }),
      age,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('count' as const), prefix }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('watch' as const), prefix, age }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), age }) },
  { weight: 1, arbitrary: fc.constant({ do: 'restart' as const }) },
);

it('level and memory cannot be told apart', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const limits = {
        replayEventsMax: 3,
        compactionStepVersions: 2,
        valueCacheBytesMax: 500,
        readChunkEntries: 3,
      };
      await using memory = await memoryDriver.open(limits);
      await using level = await levelDriver.open(limits);
      const watchers: Watcher[] = [];
      for (const each of steps) {
        if (each.do === 'restart') {
          await Promise.all(watchers.splice(0).map((watcher) => watcher.compare(memory.store.revision)));
          await level.reopen();
        } else if (each.do === 'watch') {
          watchers.push(watchBoth(memory, level, each));
        } else {
          // A watch that still replays may be overtaken, which only one of the two does in steps.
          if (each.do === 'compact')
            await Promise.all(watchers.map((watcher) => watcher.reach(level.store.revision)));
          const [expected, actual] = [await perform(memory.store, each), await perform(level.store, each)];
          assert.deepEqual(actual, expected);
        }
        assert.equal(level.store.revision, memory.store.revision);
        assert.equal(level.store.floor, memory.store.floor);
      }
      await Promise.all(watchers.map((watcher) => watcher.compare(memory.store.revision)));
      assert.deepEqual(await contents(level.store), await contents(memory.store));
    }),
    { numRuns: 200 },
  );
});

/** Outcomes in words, so that a difference can be read. */
async function perform(store: Store, step: Exclude<Step, { do: 'watch' | 'restart' }>): Promise<unknown> {
  const revision = 'age' in step ? store.revision - step.age : store.revision;
  switch (step.do) {
    case 'write':
      return performWrites(store, step.writes);
    case 'get':
      return outcome(store.get(step.key, { revision }).then((entry) => entry && describe(entry)));
    case 'list': {
      const { prefix, start, limit } = step;
      const options = { limit, revision, ...(start !== undefined && { start }) };
      return outcome(
        store.list(prefix, options).then((result) => ({ ...result, entries: result.entries.map(describe) })),
      );
    }
    case 'count':
      return outcome(store.count(step.prefix));
    case 'compact':
      return outcome(store.compact(revision));
  }
}

/** All sent at once; expectations are of the state before. */
async function performWrites(store: Store, writes: Write[]): Promise<unknown> {
  const { entries } = await store.list('');
  const revisions = new Map(entries.map((entry) => [entry.key, entry.revision]));
  const expected = (name: string, by: number) => Math.max((revisions.get(name) ?? 0) + by, 0);
  const sent = writes.map((write) => {
    switch (write.do) {
      case 'create':
        return store.create(write.key, bytes(write.value));
      case 'update':
        return store.update(write.key, bytes(write.value), expected(write.key, write.off));
      case 'delete':
        return store.delete(write.key, write.off === undefined ? undefined : expected(write.key, write.off));
      case 'txn': {
        const guards = write.guards.map((guard) => ({
          key: guard.key,
          revision: expected(guard.key, guard.off),
        }));
        const puts = write.puts.map(
          ([name, put]): Operation => ({ type: 'put', key: name, value: bytes(put) }),
        );
        const deletes = write.deletes.map((name): Operation => ({ type: 'delete', key: name }));
        return store.txn(guards, [...puts, ...deletes]);
      }
    }
  });
  return Promise.all(sent.map(outcome));
}

function outcome(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((error: Error & { code?: string }) => `${error.name} ${error.code}`);
}

function describe({ key, value, revision }: Entry): string {
  return `${key}=${text(value)} @${revision}`;
}

async function contents(store: Store): Promise<string[]> {
  return (await store.list('')).entries.map(describe);
}

interface Watcher {
  /** Both have told what happened up to `revision`. */
  reach(revision: number): Promise<void>;
  /** Both have told the same changes up to `revision`, as far as their prefix goes. */
  compare(revision: number): Promise<void>;
}

function watchBoth(
  memory: OpenedStore,
  level: OpenedStore,
  { prefix, age }: { prefix: string; age: number },
): Watcher {
  const from = memory.store.revision - age;
  const [expected, actual] = [follow(memory, prefix, from), follow(level, prefix, from)];
  return {
    async reach(revision) {
      await Promise.all([expected.reach(revision), actual.reach(revision)]);
    },
    async compare(revision) {
      await this.reach(revision);
      assert.deepEqual(await actual.end(), await expected.end(), `watch of "${prefix}" from ${from}`);
    },
  };
}

function follow({ store, clock }: OpenedStore, prefix: string, from: number) {
  const stop = new AbortController();
  const told: string[] = [];
  const reached = { revision: from };
  const done = (async () => {
    try {
      for await (const batch of store.watch(prefix, from, stop)) {
        told.push(...batch.events.map(describeEvent));
        reached.revision = batch.revision;
      }
    } catch (error) {
      told.push((error as { code: string }).code);
    }
    reached.revision = Number.POSITIVE_INFINITY;
  })();
  return {
    async reach(revision: number): Promise<void> {
      // Time brings a bookmark to a watch that has nothing to tell.
      while (reached.revision < revision) await clock.advance(60_000);
    },
    /** What it told. */
    async end(): Promise<string[]> {
      stop.abort();
      await done;
      return told;
    },
  };
}
