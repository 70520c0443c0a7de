import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { inNanoseconds } from '../../../../../agent/drivers/log-time.ts';
import { ContainerLog, keptForFollowerMax } from '../../../../../agent/drivers/process/container-log.ts';
import { readLog } from '../../../../../agent/drivers/process/read-log.ts';
import { releaseBeginning } from '../../../../../agent/drivers/process/release-beginning.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';

const limits = { keptBytesMin: 100, lookMs: 1_000, lookFollowedMs: 50 };

async function opened(t: TestContext, { holes = true } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const file = join(folder, 'log');
  appendFileSync(file, '');
  let trimming: Promise<boolean> | undefined;
  const release = (name: string, bytes: number) => {
    trimming = holes ? releaseBeginning(name, bytes) : Promise.resolve(false);
    return trimming;
  };
  const open = () => new ContainerLog(folder, { clock, limits, release });
  const log = open();
  t.after(() => log.conclude());
  const write = (text: string) => appendFileSync(file, text);
  /** The log looks until it has seen what is waited for, and what it then began has come to its end. */
  const look = async (done: () => boolean) => {
    for (let round = 0; !done(); round++) {
      assert.ok(round < 20_000, 'the log did not do what was expected');
      await clock.advance(1_000);
      await setImmediate();
    }
    await trimming;
    await setImmediate();
  };
  return { clock, file, folder, log, look, open, write };
}

async function text(
  log: ContainerLog,
  options: { tailLines?: number; limitBytes?: number; sinceMs?: number; timestamps?: boolean } = {},
): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readLog(log, {
    follow: false,
    tailLines: options.tailLines,
    limitBytes: options.limitBytes,
    sinceMs: options.sinceMs,
    timestamps: options.timestamps ?? false,
    isRunning: () => false,
    signal: new AbortController().signal,
  }))
    chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

suite('times', () => {
  test('a line has the time it was first seen, and `since` takes what came afterwards', async (t) => {
    const { clock, log, write } = await opened(t);
    write('early\n');
    log.observe();
    const early = inNanoseconds(new Date(clock.now()).toISOString());
    await clock.advance(60_000);
    write('late\n');
    log.conclude();
    const late = inNanoseconds(new Date(clock.now()).toISOString());
    assert.equal(await text(log, { timestamps: true }), `${early} early\n${late} late\n`);
    assert.equal(await text(log, { sinceMs: clock.now() - 30_000 }), 'late\n');
    assert.equal(await text(log, { sinceMs: clock.now() - 90_000 }), 'early\nlate\n');
  });

  test('what was written while nobody looked is dated by the file', async (t) => {
    const { file, open, write } = await opened(t);
    write('unseen\n');
    const at = Date.UTC(2025, 5, 1) / 1000;
    utimesSync(file, at, at);
    assert.equal(await text(open(), { timestamps: true }), '2025-06-01T00:00:00.000000000Z unseen\n');
  });
});

suite('a log that is too long', () => {
  test('loses its beginning while it is written, in whole lines, and its writer is not disturbed', async (t) => {
    const { file, log, look, write } = await opened(t);
    log.observe();
    let written = '';
    for (let number = 0; number < 60; number++) {
      const line = `line ${number} of the log\n`;
      written += line;
      write(line);
      await look(() => log.end - log.start < 2 * limits.keptBytesMin);
    }
    assert.equal(statSync(file).size, written.length, 'nothing was moved');
    const kept = await text(log);
    assert.ok(kept.length > limits.keptBytesMin - 30, kept);
    assert.ok(written.endsWith(kept) && kept.startsWith('line '), kept);
    assert.equal(await text(log, { tailLines: 4 }), written.split('\n').slice(-5).join('\n'));
    assert.equal(
      readFileSync(file, 'latin1').search(/[^\0]/),
      log.start,
      'what is old is gone from the disk',
    );
  });

  test('gives its room back', async (t) => {
    const { file, log, look, write } = await opened(t);
    log.observe();
    write('x'.repeat(1024 * 1024));
    await look(() => log.start === 1024 * 1024 - limits.keptBytesMin);
    assert.ok(statSync(file).blocks * 512 <= 8192, `${statSync(file).blocks} blocks`);
  });

  test('is kept for a follower that has not read it, to a limit', async (t) => {
    const { log, look, write } = await opened(t);
    write('x'.repeat(400));
    const follower = log.follow(0);
    log.observe();
    assert.equal(log.start, 0);
    write('x'.repeat(300));
    await look(() => log.start === 700 - keptForFollowerMax * limits.keptBytesMin);
    follower[Symbol.dispose]();
    assert.equal(log.start, 600);
  });

  test('where no hole can be made is emptied, and read on from there', async (t) => {
    const { file, log, look, open, write } = await opened(t, { holes: false });
    log.observe();
    write('x'.repeat(1_000));
    await look(() => statSync(file).size === 0);
    assert.deepEqual([log.start, log.end], [1_000, 1_000]);
    write('rest of a line\nafter\n');
    assert.equal(await text(log), 'after\n');
    assert.equal(await text(open()), 'after\n', 'after a restart too');
  });

  test('keeps its offsets and times over a restart', async (t) => {
    const { clock, log, look, open, write } = await opened(t);
    log.observe();
    write(`${'x'.repeat(250)}\nsecond\n`);
    await look(() => log.start === 158);
    write('third\n');
    await clock.advance(20_000);
    log.conclude();
    const again = open();
    assert.deepEqual([again.start, again.end], [158, 264]);
    assert.equal(again.timeAt(200), log.timeAt(200));
    assert.equal(await text(again, { tailLines: 2 }), 'second\nthird\n');
  });
});

suite('reading', () => {
  test('a tail longer than the log is the whole log, and an unfinished line counts', async (t) => {
    const { log, write } = await opened(t);
    write('one\ntwo\nunfinished');
    assert.equal(await text(log, { tailLines: 9 }), 'one\ntwo\nunfinished');
    assert.equal(await text(log, { tailLines: 1 }), 'unfinished');
    assert.equal(await text(log, { tailLines: 0 }), '');
  });

  test('a limit of bytes cuts exactly, after tail and times', async (t) => {
    const { log, write } = await opened(t);
    write('one\ntwo\n');
    assert.equal(await text(log, { tailLines: 1, limitBytes: 2 }), 'tw');
    assert.equal((await text(log, { timestamps: true, limitBytes: 10 })).length, 10);
  });
});
