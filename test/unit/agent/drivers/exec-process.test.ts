import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as assertProperty, asyncProperty, string } from 'fast-check';
import { openExecProcess, shellQuote } from '../../../../agent/drivers/exec-process.ts';
import { systemClock } from '../../../../lib/clock.ts';
import { run } from '../../../../lib/exec.ts';

test('a quoted word comes out of a shell as it went in', async () => {
  const word = string({ unit: 'binary' }).filter((text) => !/[\0\r]/.test(text) && text.isWellFormed());
  await assertProperty(
    asyncProperty(array(word, { minLength: 1, maxLength: 20 }), async (words) => {
      const line = `printf '%s|' ${words.map(shellQuote).join(' ')}`;
      const { stdout } = await run('sh', ['-c', line], { timeoutMs: 10_000 });
      assert.equal(stdout, words.map((text) => `${text}|`).join(''));
    }),
    { numRuns: 10 },
  );
});

test('a process that is left behind with the output in its hand does not hold exec up', async () => {
  const process = await openExecProcess({
    command: 'sh',
    args: ['-c', 'sleep 30 & echo $!; exit 3'],
    stdin: false,
    tty: false,
    clock: systemClock,
  });
  let text = '';
  for await (const { data } of process.output()) text += Buffer.from(data).toString();
  assert.equal(await process.exit, 3);
  globalThis.process.kill(Number(text), 'SIGKILL');
});

test('on a terminal the command has the shell variable of its environment, not that of the terminal maker', async () => {
  const process = await openExecProcess({
    command: 'sh',
    args: ['-c', 'echo "<$SHELL>"'],
    environment: { PATH: '/usr/bin:/bin', SHELL: "/odd'shell" },
    stdin: false,
    tty: true,
    clock: systemClock,
  });
  let text = '';
  for await (const { data } of process.output()) text += Buffer.from(data).toString();
  assert.equal(text.trim(), "</odd'shell>");
});
