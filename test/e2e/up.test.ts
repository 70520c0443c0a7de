import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { containersMissing } from './support/images.ts';
import { finish, freePort, launcher, Running, until } from './support/programs.ts';

test('`up` brings up server, agent and example, tells what to do next, stops cleanly and resumes', {
  timeout: 200_000,
}, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-up-'));
  t.after(() => rm(directory, { recursive: true, force: true }));
  const hello = await freePort();
  const args = [
    'up',
    '--data',
    directory,
    '--api-port',
    String(await freePort()),
    '--mqtt-port',
    String(await freePort()),
  ];
  const start = () => new Running(launcher, [...args, '--hello-port', String(hello)]);
  const kubectl = (...words: string[]) =>
    finish('kubectl', ['--kubeconfig', join(directory, 'kubeconfig'), ...words]);
  const answers = (port: number, what: string) =>
    until(`hello on ${port}`, async () => {
      const { stdout } = await finish('curl', ['-s', `http://127.0.0.1:${port}`]);
      return stdout.includes(what) ? stdout : undefined;
    });

  const first = start();
  t.after(() => first.kill('SIGTERM'));
  await first.saying(/Ctrl-C stops it/, 120_000);
  assert.match(first.output, new RegExp(`http://127\\.0\\.0\\.1:${hello} `));
  assert.match(first.output, /export KUBECONFIG=/);
  assert.match(await answers(hello, 'a process'), /Hello from hello-\S+ on \S+/);
  if (!(await containersMissing())) await answers(hello + 1, 'a container');
  const uid = (await kubectl('get', 'deployment', 'hello', '-o', 'jsonpath={.metadata.uid}')).stdout;
  assert.match(uid, /^[0-9a-f-]{36}$/);

  assert.equal(await first.kill('SIGINT'), 0, first.output);
  await until(
    'the example is stopped too',
    async () => (await finish('curl', ['-s', `http://127.0.0.1:${hello}`])).code !== 0,
  );

  const second = start();
  t.after(() => second.kill('SIGTERM'));
  await second.saying(/Ctrl-C stops it/, 120_000);
  await answers(hello, 'a process');
  assert.equal(
    (await kubectl('get', 'deployment', 'hello', '-o', 'jsonpath={.metadata.uid}')).stdout,
    uid,
    'the same cluster',
  );
  await kubectl('delete', 'deployments', '--all', '--wait=true');
  await until('pods gone', async () => (await kubectl('get', 'pods', '-o', 'name')).stdout === '');
  assert.equal(await second.kill('SIGINT'), 0, second.output);
});
