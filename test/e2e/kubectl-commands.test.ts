import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createCertificateRequest } from '../../agent/link/certificate-request.ts';
import { stories } from './kubectl-commands/stories.ts';
import type { Row } from './kubectl-commands/story.ts';
import { Cluster } from './support/cluster.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { finish, until } from './support/programs.ts';

/**
 * Every command that kubectl has, as a table: what is typed and what a Kubernetes cluster would answer. The stories
 * run in their order against one server and two devices.
 */
const noContainers = await containersMissing();

describe('every command of kubectl', { timeout: 600_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['barn', 'shed'], { runtime: 'auto', labels: 'site=farm' });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const made = { 'carla.key': key, 'carla.csr': createCertificateRequest(privateKey, 'carla') };
    for (const [path, content] of Object.entries({ ...files, ...made })) {
      await mkdir(join(cluster.directory, path, '..'), { recursive: true });
      await writeFile(join(cluster.directory, path), content);
    }
  });
  after(async () => {
    for (const task of ending) await task();
  });

  for (const { title, rows, containers = false } of stories({ image: busyboxImage })) {
    test(title, { skip: containers && noContainers }, async () => {
      for (const row of rows) await check(cluster, row);
    });
  }

  test('the table has a row for each command that kubectl lists', async () => {
    const { stdout } = await finish('kubectl', ['--help']);
    const listed = [...stdout.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name = '']) => name);
    assert.ok(listed.length > 35, stdout);
    const typed = stories({ image: busyboxImage }).flatMap(({ rows }) => rows.map(({ run }) => run));
    const missing = listed.filter(
      (name) => !typed.some((run) => new RegExp(`(^|kubectl )${name}( |$)`).test(run)),
    );
    assert.deepEqual(missing, []);
  });
});

const files: Readonly<Record<string, string>> = {
  editor: 'sed -i "s/colour: green/colour: blue/" "$1"\n',
  'site/kustomization.yaml': [
    'namePrefix: farm-',
    'configMapGenerator:',
    '- {name: settings, literals: [colour=green]}',
    'resources: [service.yaml]',
    '',
  ].join('\n'),
  'site/service.yaml':
    '{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"ports":[{"port":80}]}}',
  'set/a.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {set: one}}\n',
  'set/b.yaml': 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, labels: {set: one}}\n',
};

/** A row that says `eventually` is typed again until it holds. */
async function check(cluster: Cluster, { run, says, fails, input, eventually }: Row): Promise<void> {
  const attempt = async () => {
    const { code, stdout, stderr } = await finish('bash', ['-c', typed(run)], {
      env: { ...cluster.environment, KUBE_EDITOR: `sh ${cluster.directory}/editor` },
      cwd: cluster.directory,
      timeoutMs: 60_000,
      input: input ?? '',
    });
    const told = `${run}\nexit code ${code}\n${stdout}\n${stderr}`;
    assert.equal(code !== 0, fails !== undefined, told);
    if (says) assert.match(stdout, says, told);
    if (fails) assert.match(stderr, fails, told);
  };
  if (!eventually) return attempt();
  let last: unknown;
  const holds = () =>
    attempt().then(
      () => true,
      (error: unknown) => void (last = error),
    );
  await until(run, holds, { pollMs: 200, describe: () => String(last) });
}

/** A row is what follows `kubectl`, or a line of the shell that says `kubectl` itself. */
function typed(run: string): string {
  return /\bkubectl /.test(run) ? run : `kubectl ${run}`;
}
