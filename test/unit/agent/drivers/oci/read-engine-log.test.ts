import assert from 'node:assert/strict';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { LogOptions } from '../../../../../agent/drivers/driver.ts';
import { inNanoseconds } from '../../../../../agent/drivers/log-time.ts';
import { readEngineLog } from '../../../../../agent/drivers/oci/read-engine-log.ts';
import { sleep, systemClock } from '../../../../../lib/clock.ts';

const whole: LogOptions = {
  follow: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  timestamps: false,
};

function line(text: string, { second = 0, stream = 'stdout', tag = 'F' } = {}): string {
  const time = `2026-01-01T02:00:${String(second).padStart(2, '0')}.5+02:00`;
  return `${time} ${stream} ${tag} ${text}\n`;
}

async function until(holds: () => boolean): Promise<void> {
  for (let round = 0; round < 3_000 && !holds(); round++) await sleep(systemClock, 10);
  assert.ok(holds());
}

describe("the engine's log file", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flotilla-log-'));
    path = join(folder, 'ctr.log');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** As conmon does when the file has grown too long. */
  function replace(): void {
    writeFileSync(`${path}.tmp`, '');
    renameSync(`${path}.tmp`, path);
  }

  /** Whether the reader, which is in this process, has opened the newest file. */
  function isHeldOpen(): boolean {
    const { ino } = statSync(path);
    const inodes = readdirSync('/proc/self/fd').map(
      (fd) => statSync(`/proc/self/fd/${fd}`, { throwIfNoEntry: false })?.ino,
    );
    return inodes.includes(ino);
  }

  function read(options: Partial<LogOptions> = {}, isRunning = () => Promise.resolve(false)) {
    const { signal } = new AbortController();
    return readEngineLog({ ...whole, ...options, path, isRunning, clock: systemClock, signal });
  }

  async function text(options: Partial<LogOptions> = {}): Promise<string> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of read(options)) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }

  test('what was said comes without its marks; long lines whole; each stream by itself when asked', async () => {
    writeFileSync(
      path,
      line('one') + line('two ', { tag: 'P' }) + line('halves') + line('bad', { stream: 'stderr' }),
    );
    assert.equal(await text(), 'one\ntwo halves\nbad\n');
    assert.equal(await text({ stream: 'stderr' }), 'bad\n');
    assert.equal(await text({ stream: 'stdout' }), 'one\ntwo halves\n');
    assert.equal(await text({ limitBytes: 6 }), 'one\ntw');
    const stamp = '2026-01-01T00:00:00.500000000Z';
    assert.equal(await text({ timestamps: true }), `${stamp} one\n${stamp} two halves\n${stamp} bad\n`);
  });

  test('tail counts lines from the end, since drops what is older', async () => {
    const lines = Array.from({ length: 5_000 }, (_, index) => line(`line ${index}`, { second: index % 50 }));
    writeFileSync(path, lines.join(''));
    assert.equal(await text({ tailLines: 2 }), 'line 4998\nline 4999\n');
    assert.equal((await text({ tailLines: 4_000 })).split('\n')[0], 'line 1000');
    assert.equal(await text({ tailLines: 0 }), '');
    assert.equal((await text({ tailLines: 9_999 })).split('\n').length, 5_001);
    const sinceMs = Date.parse('2026-01-01T00:00:49.5Z');
    assert.equal((await text({ sinceMs })).split('\n').length, 101);
    assert.equal(await text({ sinceMs: sinceMs + 1 }), '');
  });

  test('a log that nobody has written is empty', async () => {
    assert.equal(await text(), '');
  });

  test('following loses and doubles nothing while the file is replaced, and ends with the container', async () => {
    writeFileSync(path, '');
    let running = true;
    let seen = '';
    const following = (async () => {
      for await (const chunk of read({ follow: true }, () => Promise.resolve(running)))
        seen += Buffer.from(chunk).toString();
    })();
    let expected = '';
    const write = (words: string) => {
      appendFileSync(path, line(words));
      expected += `${words}\n`;
    };
    const all = () => until(() => seen === expected);
    write('first');
    await all();
    for (let file = 0; file < 4; file++) {
      for (let count = 0; count < 100; count++) write(`${file} ${count}`);
      // With and without the reader at the end of what is replaced.
      if (file % 2 === 0) await all();
      replace();
      // A reader that is given no time at all between two replacements cannot know of the first.
      await until(isHeldOpen);
      write(`after ${file}`);
    }
    await all();
    write('last');
    running = false;
    await following;
    assert.equal(seen, expected);
  });
});

test('times are in UTC with nine digits, whatever the engine writes', () => {
  assert.equal(inNanoseconds('2026-11-20T17:24:26.725998673+00:00'), '2026-11-20T17:24:26.725998673Z');
  assert.equal(inNanoseconds('2026-11-20T23:59:59.1-05:00'), '2026-11-21T04:59:59.100000000Z');
  assert.equal(inNanoseconds('2026-11-20T17:24:26Z'), '2026-11-20T17:24:26.000000000Z');
});
