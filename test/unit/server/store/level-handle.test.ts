import assert from 'node:assert/strict';
import { mkdtempDisposable, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { silentLogger } from '../../../../lib/log.ts';
import { type Database, LevelHandle, openLevel } from '../../../../server/store/level-handle.ts';
import { defaultLevelLimits } from '../../../../server/store/limits.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

const limits = { ...defaultLevelLimits, recoveryIntervalMs: 1_000, writeBufferBytes: 256 * 1024 };
const put = (key: string) => ({ type: 'put' as const, key, value: Buffer.from(key) });
const sync = { sync: true };

describe('a store whose disk fails', () => {
  it('refuses writes until it is due to try again, and reads all the while', async () => {
    await using disk = await failingDisk();
    const { handle, clock } = disk;
    await handle.write([put('r/1')], sync);
    disk.failure = 'before';
    await assert.rejects(handle.write([put('r/2')], sync), { code: 'StorageFailed' });
    disk.failure = undefined;
    await assert.rejects(handle.write([put('r/3')], sync), { code: 'StorageFailed' });
    assert.equal(disk.opened, 1);
    assert.deepEqual(await read(handle, 'r/1', 'r/2', 'r/3'), ['r/1', undefined, undefined]);
    await clock.advance(1_000);
    await handle.write([put('r/4')], sync);
    assert.equal(disk.opened, 2, 'a torn log is never written on');
    assert.deepEqual(await read(handle, 'r/1', 'r/2', 'r/3', 'r/4'), ['r/1', undefined, undefined, 'r/4']);
  });

  it('takes back a write that failed after it reached the disk', async () => {
    await using disk = await failingDisk();
    const { handle, clock } = disk;
    disk.failure = 'after';
    await assert.rejects(handle.write([put('r/1'), put('v/a'), put('m/floor')], sync), {
      code: 'StorageFailed',
    });
    disk.failure = undefined;
    await clock.advance(1_000);
    await handle.write([put('r/2')], sync);
    // The floor may rise early: it only says what will be forgotten.
    assert.deepEqual(await read(handle, 'r/1', 'v/a', 'r/2', 'm/floor'), [
      undefined,
      undefined,
      'r/2',
      'm/floor',
    ]);
  });

  it('tries again when the recovery fails as well', async () => {
    await using disk = await failingDisk();
    const { handle, clock } = disk;
    disk.failure = 'after';
    await assert.rejects(handle.write([put('r/1')], sync), { code: 'StorageFailed' });
    for (const failure of ['after', 'open', 'before'] as const) {
      disk.failure = failure;
      await clock.advance(1_000);
      await assert.rejects(handle.write([put('r/2')], sync), { code: 'StorageFailed' }, failure);
    }
    disk.failure = undefined;
    await clock.advance(1_000);
    await handle.write([put('r/3')], sync);
    assert.deepEqual(await read(handle, 'r/1', 'r/2', 'r/3'), [undefined, undefined, 'r/3']);
  });

  it('a store that could not be reopened is opened by the next reader that is due', async () => {
    await using disk = await failingDisk();
    const { handle, clock } = disk;
    await handle.write([put('r/1')], sync);
    disk.failure = 'before';
    await assert.rejects(handle.write([put('r/2')], sync), { code: 'StorageFailed' });
    disk.failure = 'open';
    await clock.advance(1_000);
    await assert.rejects(handle.write([put('r/2')], sync), { code: 'StorageFailed' });
    await assert.rejects(read(handle, 'r/1'), { code: 'StorageFailed' });
    disk.failure = undefined;
    await assert.rejects(read(handle, 'r/1'), { code: 'StorageFailed' });
    await clock.advance(1_000);
    assert.deepEqual(await Promise.all([read(handle, 'r/1'), read(handle, 'r/1')]), [['r/1'], ['r/1']]);
  });

  it('leaves no probe behind and lets reads finish before it reopens', async () => {
    await using disk = await failingDisk({ readChunkEntries: 1 });
    const { handle, clock, directory } = disk;
    const keys = Array.from({ length: 50 }, (_, at) => `r/${at}`);
    await handle.write(keys.map(put), sync);
    disk.failure = 'before';
    await assert.rejects(handle.write([put('r/x')], sync), { code: 'StorageFailed' });
    disk.failure = undefined;
    await clock.advance(1_000);
    const [values] = await Promise.all([read(handle, ...keys), handle.write([put('r/y')], sync)]);
    assert.deepEqual(values, keys);
    assert.equal(disk.opened, 2);
    assert.ok(!(await readdir(directory)).includes('space-probe'));
  });
});

it('a read in many steps sees one moment, whatever is deleted meanwhile', async () => {
  await using disk = await failingDisk({ readChunkEntries: 1 });
  const { handle } = disk;
  const keys = Array.from({ length: 300 }, (_, at) => `r/${at}`);
  await handle.write(keys.map(put), sync);
  const reading = read(handle, ...keys);
  await handle.write(
    keys.map((key) => ({ type: 'del', key })),
    { sync: false },
  );
  assert.deepEqual(await reading, keys);
  assert.deepEqual(await read(handle, 'r/0', 'r/299'), [undefined, undefined]);
});

describe('a data directory', () => {
  it('is for its owner only', async () => {
    await using disk = await failingDisk();
    assert.equal((await stat(disk.directory)).mode & 0o777, 0o700);
  });

  it('that is in use is refused with what to do', async () => {
    await using disk = await failingDisk();
    const second = new LevelHandle({ ...disk.options, openDatabase: openLevel });
    await assert.rejects(second.open(), { code: 'Locked', message: /in use .* stop it, or choose another/ });
  });

  it('that cannot be written is refused by its name', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-handle-'));
    const directory = join(folder.path, 'file', 'store');
    await writeFile(join(folder.path, 'file'), '');
    const handle = new LevelHandle({ directory, clock: new ManualClock(), log: silentLogger, limits });
    await assert.rejects(handle.open(), (error: Error & { code: string }) => {
      assert.equal(error.code, 'StorageFailed');
      assert.match(error.message, /data directory .*file\/store is not usable: ENOTDIR/);
      return true;
    });
  });
});

/** A real LevelDB that fails when told: before a write, after it (as a failed fsync does), or to open. */
async function failingDisk(overrides: Partial<typeof limits> = {}) {
  const folder = await mkdtempDisposable(join(tmpdir(), 'flotilla-handle-'));
  const directory = join(folder.path, 'store');
  const clock = new ManualClock();
  const options = { directory, clock, log: silentLogger, limits: { ...limits, ...overrides } };
  const disk = {
    failure: undefined as 'before' | 'after' | 'open' | undefined,
    opened: 0,
    clock,
    directory,
    options,
    handle: new LevelHandle({ ...options, openDatabase }),
    async [Symbol.asyncDispose]() {
      await disk.handle.close();
      await folder.remove();
    },
  };
  await disk.handle.open();
  return disk;

  async function openDatabase(...given: Parameters<typeof openLevel>): Promise<Database> {
    if (disk.failure === 'open') throw new Error('input/output error');
    disk.opened++;
    const database = await openLevel(...given);
    const batch = database.batch.bind(database) as (...parameters: unknown[]) => Promise<void>;
    const failing = async (...parameters: unknown[]) => {
      if (disk.failure === 'before') throw new Error('no space left on device');
      await batch(...parameters);
      if (disk.failure === 'after') throw new Error('input/output error');
    };
    return Object.assign(database, { batch: failing });
  }
}

async function read(handle: LevelHandle, ...keys: string[]): Promise<(string | undefined)[]> {
  return (await handle.readMany(keys)).map((value) => value && Buffer.from(value).toString());
}
