import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { finish, freePort, root } from './support/programs.ts';

/** Debian's own Python: another one on the path has not its packages. */
const python = '/usr/bin/python3';
const { code } = await finish(python, ['-c', 'import kubernetes']).catch(() => ({ code: 1 }));
const missing = code === 0 ? false : 'the Debian package python3-kubernetes is not installed';

test('Kubernetes’ Python client lists, watches, patches, runs commands and forwards ports', {
  skip: missing,
  timeout: 120_000,
}, async (t) => {
  const cluster = await Cluster.start(t);
  await cluster.addNodes(['snake']);
  const script = join(root, 'test/e2e/support/python-client.py');
  const done = await finish(python, [script, cluster.kubeconfig, String(await freePort())], {
    env: cluster.environment,
    timeoutMs: 100_000,
  });
  assert.match(done.stdout, /all done\n$/, done.stdout + done.stderr);
  assert.equal(done.code, 0);
});
