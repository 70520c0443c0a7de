import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { inNanoseconds } from '../../../../../agent/drivers/log-time.ts';
import { ContainerLog } from '../../../../../agent/drivers/process/container-log.ts';
import { readLog } from '../../../../../agent/drivers/process/read-log.ts';
import { ManualClock } from '../../../../support/manual-clock.ts';

const limits = { fileBytesMax: 100, lookMs: 1_000, lookFollowedMs: 50 };

async function opened(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-log-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const clock = new ManualClock();
  const file = join(folder, 'log');
  appendFileSync(file, '');
  const open = () => new ContainerLog(folder, { clock, limits });
  const log = open();
  t.after(() => log.conclude());
  return { clock, file, folder, log, open, write: (text: string) => appendFileSync(file, text) };
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

/** Lets the log look, and its file operations come to their end. */
async function looks(clock: ManualClock, done: () => boolean = () => true): Promise<void> {
  for (let round = 0; round < 2_000; round++) {
    await clock.advance(1_000);
    if (done()) return;
  }
  assert.fail('the log did not do what was expected');
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
  test('is cut while it is written, keeps the newest, and reads as one', async (t) => {
    const { clock, file, log, write } = await opened(t);
    log.observe();
    const lines: string[] = [];
    for (let number = 0; number < 40; number++) {
      const line = `line ${number} of the log\n`;
      lines.push(line);
      write(line);
      const before = log.start;
      if (statSync(file).size > limits.fileBytesMax)
        await looks(clock, () => log.start > before || statSync(file).size === 0);
    }
    const kept = await text(log);
    assert.ok(kept.length >= limits.fileBytesMax && kept.length <= 3 * limits.fileBytesMax, kept);
    assert.ok(lines.join('').endsWith(kept), 'the newest lines, whole and in order');
    assert.equal(await text(log, { tailLines: 1 }), lines.at(-1));
    assert.equal(await text(log, { tailLines: 4 }), lines.slice(-4).join(''));
  });

  test('of a flood keeps the newest, and looks again soon', async (t) => {
    const { clock, file, folder, log, write } = await opened(t);
    log.observe();
    const lines = Array.from({ length: 1_000 }, (_, at) => `line ${at}\n`).join('');
    write(lines);
    await looks(clock, () => statSync(file).size === 0);
    assert.equal(statSync(join(folder, 'log.1')).size, limits.fileBytesMax);
    assert.equal(log.end, lines.length);
    const newest = lines.slice(-limits.fileBytesMax);
    assert.equal(await text(log), newest.slice(newest.indexOf('\n') + 1), 'in whole lines');
    write(lines);
    await looks(clock, () => statSync(file).size === 0);
    assert.ok(statSync(join(folder, 'log.1')).size <= limits.fileBytesMax);
  });

  test('where there is no room for a copy makes room', async (t) => {
    const { clock, file, folder, log, write } = await opened(t);
    // No copy can be made where a folder is in the way, just as on a full disk.
    mkdirSync(join(folder, 'log.1.new', 'full'), { recursive: true });
    log.observe();
    write('x'.repeat(1_000));
    await looks(clock, () => statSync(file).size === 0);
    assert.equal(log.end, 1_000);
    assert.equal(log.start, 1_000);
    write('rest of a line\nafter\n');
    assert.equal(await text(log), 'after\n');
  });

  test('keeps its offsets and times over a restart', async (t) => {
    const { clock, file, folder, log, open, write } = await opened(t);
    log.observe();
    write(`${'x'.repeat(150)}\nsecond\n`);
    await looks(clock, () => statSync(file).size === 0);
    write('third\n');
    await clock.advance(20_000);
    log.conclude();
    const again = open();
    assert.deepEqual([again.start, again.end], [log.start, log.end]);
    assert.match(readFileSync(join(folder, 'log.times'), 'utf8'), /^base 158\n/);
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
