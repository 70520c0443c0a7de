import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { resolveProgram, withOddNames } from '../../../../../agent/drivers/process/shim.ts';

test('a program is found as execvp finds it, and what cannot be run is refused in words people search for', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'flotilla-path-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'first', 'tool'), { recursive: true });
  await mkdir(join(folder, 'second'));
  await writeFile(join(folder, 'second', 'tool'), '', { mode: 0o755 });
  await writeFile(join(folder, 'second', 'text'), '', { mode: 0o644 });
  await writeFile(join(folder, 'file'), '');
  const PATH = ['first', 'missing', 'file', 'second'].map((name) => join(folder, name)).join(':');
  const find = (program: string) => resolveProgram([program, 'x'], { PATH }, folder);
  assert.deepEqual(find('tool'), [join(folder, 'second', 'tool'), 'x']);
  assert.deepEqual(find('./second/tool'), ['./second/tool', 'x']);
  const refused = (program: string, message: RegExp) =>
    assert.throws(() => find(program), { code: 'RunContainerError', message });
  refused('nothing', /exec: "nothing": executable file not found in \$PATH/);
  refused('text', /exec: "text": permission denied/);
  refused('./second/nothing', /no such file or directory/);
  refused('', /no command/);
});

test('a program behind a folder that may not be entered does not keep the rest of PATH from being searched', (t) => {
  if (process.getuid?.() === 0) return t.skip('root may enter every folder');
  assert.deepEqual(resolveProgram(['sh'], { PATH: '/root/bin:/bin' }, '/'), ['/bin/sh']);
});

test('only variables that a shell would drop go by way of env', () => {
  assert.deepEqual(withOddNames(['cmd'], { PLAIN: '1', _x2: '2' }), ['cmd']);
  assert.deepEqual(withOddNames(['cmd', 'a'], { PLAIN: '1', 'a.b': 'x y', '2c': '' }), [
    '/usr/bin/env',
    'a.b=x y',
    '2c=',
    'cmd',
    'a',
  ]);
});
