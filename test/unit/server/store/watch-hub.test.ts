import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { watchEvent } from '../../../../server/store/level-reader.ts';
import { defaultStoreLimits } from '../../../../server/store/limits.ts';
import type { Version } from '../../../../server/store/version.ts';
import { WatchHub } from '../../../../server/store/watch-hub.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const limits = defaultStoreLimits;
const toEvent = (version: Version) => watchEvent(version, undefined, () => undefined);
const change = (key: string): Version => ({ key, revision: 1, slot: 0, deleted: true, previous: undefined });

describe('watch hub', () => {
  it('hands a change to exactly the watchers whose prefix it has', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(text, { maxLength: 12 }),
        fc.array(text, { maxLength: 4 }),
        text,
        async (prefixes, gone, key) => {
          const hub = new WatchHub({ clock: new ManualClock(), limits, revision: () => 0 });
          const watchers = prefixes.map((prefix) => ({ prefix, watch: hub.join(prefix) }));
          for (const prefix of gone) hub.leave(prefix, hub.join(prefix));
          hub.publish([change(key)], 1, toEvent);
          for (const { prefix, watch } of watchers) {
            assert.equal(!watch.idle, key.startsWith(prefix), `"${prefix}" of "${key}"`);
          }
          hub.endAll();
        },
      ),
    );
  });

  it('asks for an event once, and not at all when nobody watches', async () => {
    const hub = new WatchHub({ clock: new ManualClock(), limits, revision: () => 0 });
    const watchers = ['', 'a', 'a', 'a/'].map((prefix) => hub.join(prefix));
    let asked = 0;
    const counting = (version: Version) => {
      asked++;
      return toEvent(version);
    };
    hub.publish([change('a/1'), change('a/2')], 1, counting);
    assert.equal(asked, 2);
    const batches = await Promise.all(watchers.map((watch) => watch.take()));
    for (const batch of batches) assert.equal(batch?.events[1], batches[0]?.events[1], 'events are shared');
    for (const [at, prefix] of ['', 'a', 'a', 'a/'].entries()) {
      const watch = watchers[at];
      if (watch) hub.leave(prefix, watch);
    }
    hub.publish([change('a/1')], 2, counting);
    assert.equal(asked, 2);
  });

  it('wakes thousands in turns, and who is woken late has missed nothing', async () => {
    const clock = new ManualClock();
    const hub = new WatchHub({ clock, limits: { ...limits, watchersWokenPerTurn: 10 }, revision: () => 0 });
    const heard: number[][] = [];
    for (let at = 0; at < 25; at += 1) {
      const watch = hub.join('');
      const revisions: number[] = [];
      heard.push(revisions);
      void (async () => {
        for (let batch = await watch.take(); batch; batch = await watch.take())
          revisions.push(batch.revision);
      })();
    }
    const awake = () => heard.filter(({ length }) => length > 0).length;
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    hub.publish([change('a')], 1, toEvent);
    await Promise.resolve().then(() => {});
    assert.equal(awake(), 10);
    hub.publish([change('b')], 2, toEvent);
    for (const expected of [20, 25]) {
      await turn();
      assert.equal(awake(), expected);
    }
    for (let left = 0; left < 5; left += 1) await turn();
    for (const revisions of heard) assert.deepEqual(revisions, [1, 2]);
    hub.endAll();
  });

  it('sets no timer while nobody watches', async () => {
    const clock = new ManualClock();
    const hub = new WatchHub({ clock, limits, revision: () => 0 });
    assert.equal(clock.nextDelay, undefined);
    const watch = hub.join('a');
    assert.equal(clock.nextDelay, limits.bookmarkIntervalMs);
    hub.leave('a', watch);
    assert.equal(clock.nextDelay, undefined);
  });

  it('a single commit above the limit reaches a reader that was up to date', async () => {
    const hub = new WatchHub({
      clock: new ManualClock(),
      limits: { ...limits, watchBufferEventsMax: 2 },
      revision: () => 0,
    });
    const watch = hub.join('');
    hub.publish(['a', 'b', 'c'].map(change), 1, toEvent);
    assert.equal((await watch.take())?.events.length, 3);
    hub.publish(['a', 'b', 'c'].map(change), 2, toEvent);
    hub.publish([change('a')], 3, toEvent);
    await assert.rejects(watch.take(), { code: 'WatchOverflow' });
  });
});
