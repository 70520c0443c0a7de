import assert from 'node:assert/strict';
import { it } from 'node:test';
import { History } from '../../../../server/store/history.ts';
import type { LevelHandle } from '../../../../server/store/level-handle.ts';
import { LevelReader, watchEvent } from '../../../../server/store/level-reader.ts';
import { watchLevel } from '../../../../server/store/level-watch.ts';
import { defaultStoreLimits } from '../../../../server/store/limits.ts';
import { ValueCache } from '../../../../server/store/value-cache.ts';
import type { Version } from '../../../../server/store/version.ts';
import { WatchHub } from '../../../../server/store/watch-hub.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

it('a change that commits in any turn after the watch began is told once', async () => {
  for (let turns = 0; turns < 40; turns++) {
    const { history, source } = emptyStore();
    commit(source, 'a');
    const stop = new AbortController();
    const watch = watchLevel(source, '', 0, stop.signal);
    const told: number[] = [];
    const reading = (async () => {
      for await (const { events } of watch) told.push(...events.map(({ revision }) => revision));
    })();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    commit(source, 'b');
    commit(source, 'c');
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await reading;
    assert.deepEqual(told, [1, 2, 3], `after ${turns} turns`);
    assert.equal(history.revision, 3);
  }
});

/** All of the watching, without a disk: nothing is ever put. */
function emptyStore() {
  const history = new History();
  const disk = { readMany: () => Promise.reject(new Error('no value was written')) };
  const reader = new LevelReader(disk as unknown as LevelHandle, new ValueCache(0));
  const hub = new WatchHub({
    clock: new ManualClock(),
    limits: defaultStoreLimits,
    revision: () => history.revision,
  });
  const closed = new AbortController().signal;
  return { history, source: { history, reader, hub, closed, replayEventsMax: 100 } };
}

function commit({ history, hub }: ReturnType<typeof emptyStore>['source'], key: string): void {
  const revision = history.revision + 1;
  const version: Version = { key, revision, slot: 0, deleted: true, previous: undefined };
  history.commit([version], revision);
  hub.publish([version], revision, (each) => watchEvent(each, undefined, () => undefined));
}
