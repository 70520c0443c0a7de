import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type BenchTraits,
  containerSpec,
  type DriverBench,
  eventually,
  exited,
  logText,
  startOne,
  testWhen,
} from './bench.ts';
import { scripts } from './scripts.ts';

export function logRules(use: () => DriverBench, traits: BenchTraits): void {
  test('the log holds what was said, and its end, a limit of bytes or times when asked', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.prints });
    await exited(driver, handle);
    await eventually('all of it', async () => (await logText(driver, handle)).includes('three') || undefined);
    assert.equal(await logText(driver, handle), 'one\ntwo\nthree\n');
    assert.equal(await logText(driver, handle, { tailLines: 2 }), 'two\nthree\n');
    assert.equal(await logText(driver, handle, { tailLines: 0 }), '');
    assert.equal(await logText(driver, handle, { limitBytes: 5 }), 'one\nt');
    assert.equal(await logText(driver, handle, { sinceMs: Date.now() - 600_000 }), 'one\ntwo\nthree\n');
    const stamped = (await logText(driver, handle, { timestamps: true })).trimEnd().split('\n');
    assert.deepEqual(
      stamped.map((line) => line.replace(/^\S+ /, '')),
      ['one', 'two', 'three'],
    );
    for (const line of stamped) {
      assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
      assert.ok(Math.abs(Date.now() - Date.parse(line.split(' ')[0] ?? '')) < 60_000, line);
    }
  });

  testWhen(traits.real)('standard error is in the log', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: 'echo out; echo wrong >&2' });
    await exited(driver, handle);
    assert.deepEqual((await logText(driver, handle)).trim().split('\n').sort(), ['out', 'wrong']);
    const [first, second] = traits.isolates ? ['out\n', 'wrong\n'] : ['out\nwrong\n', ''];
    const out = await logText(driver, handle, { stream: 'stdout' });
    // A runtime program may carry the two by different ways into one file.
    if (traits.ownFiles && !traits.isolates) assert.equal(out.length, first.length);
    else assert.equal(out, first);
    assert.equal(await logText(driver, handle, { stream: 'stderr' }), second);
  });

  test('following gives what comes at once and ends with the container', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.printsAndRuns });
    let text = '';
    const following = (async () => {
      const options = {
        follow: true,
        tailLines: undefined,
        limitBytes: undefined,
        sinceMs: undefined,
        timestamps: false,
      };
      for await (const chunk of driver.logs?.(handle, options, new AbortController().signal) ?? [])
        text += Buffer.from(chunk).toString();
    })();
    await eventually('both lines while it runs', () => Promise.resolve(text === 'one\ntwo\n' || undefined));
    assert.equal((await driver.inspect(handle)).state, 'running');
    await driver.stop(handle, { graceMs: 0 });
    await following;
    assert.equal(text, 'one\ntwo\n');
  });

  test('following ends when it is aborted', async () => {
    const bench = use();
    const driver = bench.open();
    const { handle } = await startOne(bench, driver, { script: scripts.printsAndRuns });
    const abort = new AbortController();
    const options = {
      follow: true,
      tailLines: 1,
      limitBytes: undefined,
      sinceMs: undefined,
      timestamps: false,
    };
    let text = '';
    for await (const chunk of driver.logs?.(handle, options, abort.signal) ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.endsWith('two\n')) abort.abort();
    }
    assert.ok(text.endsWith('two\n'));
  });

  test("an earlier attempt's log is there until that attempt is removed", async () => {
    const bench = use();
    const driver = bench.open();
    const { sandbox, handle: first } = await startOne(bench, driver, { script: scripts.prints });
    await exited(driver, first);
    const second = await driver.create(
      containerSpec(bench, sandbox, { script: scripts.runs, attempt: 1 }),
      sandbox,
    );
    await driver.start(second);
    assert.equal(await logText(driver, first), 'one\ntwo\nthree\n');
    assert.equal(await logText(driver, second), '');
    await driver.remove(first);
    await assert.rejects(logText(driver, first), { code: 'NotFound' });
    assert.equal((await driver.inspect(second)).state, 'running');
  });
}
