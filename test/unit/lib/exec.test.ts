import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { run, spawnDetached, stream } from '../../../lib/exec.ts';

const timeoutMs = 10_000;

async function openDescriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

suite('run', () => {
  test('a failing exit code is a result, with both outputs', async () => {
    const result = await run('sh', ['-c', 'cat; echo bad >&2; exit 3'], { input: 'in', timeoutMs });
    assert.deepEqual(result, { exitCode: 3, stdout: 'in', stderr: 'bad\n' });
  });

  test('a child that a signal ended counts as a shell counts', async () => {
    assert.equal((await run('sh', ['-c', 'kill -9 $$'], { timeoutMs })).exitCode, 137);
  });

  test('no shell looks at the arguments', async () => {
    const words = ['$HOME', '`id`', "it's", 'a  b', ''];
    const { stdout } = await run('printf', ['<%s>', ...words], { timeoutMs });
    assert.equal(stdout, words.map((word) => `<${word}>`).join(''));
  });

  test('the environment is exactly the one that was given', async () => {
    const { stdout } = await run('/usr/bin/env', [], { timeoutMs, environment: { ONLY: 'this' } });
    assert.equal(stdout, 'ONLY=this\n');
  });

  for (const [what, code, attempt] of [
    ['a program that is not there', 'NotFound', () => run('no-such-program', [], { timeoutMs })],
    ['a file that is no program', 'NotExecutable', () => run('/etc/passwd', [], { timeoutMs })],
    ['a folder that is not there', 'SpawnFailed', () => run('true', [], { timeoutMs, cwd: '/no/such' })],
    ['too much output', 'OutputTooLarge', () => run('yes', [], { timeoutMs, outputBytesMax: 1_000 })],
    ['an abort', 'Aborted', () => run('sleep', ['60'], { timeoutMs, signal: AbortSignal.timeout(20) })],
    [
      'a child, and a child of it, that take too long and ignore SIGTERM',
      'TimedOut',
      () => run('sh', ['-c', 'trap "" TERM; sleep 60 & sleep 60; sleep 60'], { timeoutMs: 50 }),
    ],
  ] as const)
    test(`${what} is an error of its own code`, () => assert.rejects(attempt(), { code }));
});

suite('stream', () => {
  test('what a child said is there to be read after it has ended', async () => {
    const child = await stream('sh', ['-c', 'cat; exit 4']);
    child.stdin.end('said');
    assert.deepEqual(await child.exit, { exitCode: 4, signal: undefined });
    const chunks = await child.stdout.toArray();
    assert.equal(Buffer.concat(chunks as Buffer[]).toString(), 'said');
  });

  test('letting go of the output lets go of what a grandchild holds open', async () => {
    const before = await openDescriptors();
    const child = await stream('sh', ['-c', 'sleep 30 & echo $!']);
    assert.ok((await openDescriptors()) > before);
    const [pid] = await child.stdout.take(1).toArray();
    await child.exit;
    child.stdin.destroy();
    child.stderr.destroy();
    for (let look = 0; look < 500 && (await openDescriptors()) > before; look++)
      await run('sleep', ['0.01'], { timeoutMs });
    assert.equal(await openDescriptors(), before);
    process.kill(Number(String(pid)), 'SIGKILL');
  });

  test('a child that nobody reads is not read ahead without end', async () => {
    const child = await stream('sh', ['-c', 'head -c 50000000 /dev/zero; echo done >&2']);
    const first = child.stdout[Symbol.asyncIterator]();
    await first.next();
    assert.ok(child.stdout.readableLength < 1_000_000, `${child.stdout.readableLength} bytes are buffered`);
    assert.equal(child.stderr.readableLength, 0, 'it has not come to its end');
    child.kill('SIGKILL');
    assert.equal((await child.exit).signal, 'SIGKILL');
    child.stdout.destroy();
  });

  test('a program that is not there is an error before anything is written', () =>
    assert.rejects(stream('no-such-program', []), { code: 'NotFound' }));
});

test('a detached child has a session of its own and lives on when its parent is killed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-exec-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const program = join(folder, 'parent.mjs');
  const exec = join(import.meta.dirname, '../../../lib/exec.ts');
  await writeFile(
    program,
    `import { spawnDetached } from ${JSON.stringify(exec)};
     const child = await spawnDetached('sh', ['-c', 'echo up; read line < ${folder}/fifo; echo "$line" > ${folder}/out']);
     await child.firstOutput;
     process.kill(process.pid, 'SIGKILL');`,
  );
  await run('mkfifo', [join(folder, 'fifo')], { timeoutMs });
  assert.equal((await run(process.execPath, [program], { timeoutMs })).exitCode, 137);
  await writeFile(join(folder, 'fifo'), 'still here\n');
  for (let look = 0; look < 500; look++) {
    const text = await readFile(join(folder, 'out'), 'utf8').catch(() => '');
    if (text === 'still here\n') return;
    await run('sleep', ['0.01'], { timeoutMs });
  }
  assert.fail('the child did not outlive its parent');
});

test('a detached child tells its first words and its end', async () => {
  const child = await spawnDetached('sh', ['-c', 'echo hello; exec >/dev/null; exit 6']);
  assert.equal(await child.firstOutput, 'hello\n');
  assert.equal((await child.exit).exitCode, 6);
  const silent = await spawnDetached('true', []);
  assert.equal(await silent.firstOutput, '');
});
