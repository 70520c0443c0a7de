import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { finish, hasProgram, root, until } from './support/programs.ts';

/** The real Helm, with a chart that has hooks: what its users do with any cluster. */
const missing = (await hasProgram('helm')) ? false : 'helm is not installed';
const chart = join(root, 'examples/chart');

interface Release {
  name: string;
  revision: string;
  status: string;
}

describe('Helm', { skip: missing, timeout: 240_000 }, () => {
  let cluster: Cluster;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await cluster.addNodes(['barn']);
  });
  after(async () => {
    for (const task of ending) await task();
  });

  const run = (...args: string[]) => finish('helm', args, { env: cluster.environment, timeoutMs: 120_000 });
  const helm = async (...args: string[]) => {
    const { code, stdout, stderr } = await run(...args);
    assert.equal(code, 0, `helm ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const installed = async () => JSON.parse(await helm('list', '--all', '-o', 'json')) as Release[];
  const greets = (word: string) =>
    until(`the Deployment greeting with ${word}`, async () => {
      const { stdout } = await cluster.kubectl(['logs', 'deployment/web', '--tail=1']);
      return stdout.startsWith(`${word} from `);
    });

  test('a chart is installed once its hooks have run, and its test passes', async () => {
    const printed = await helm('install', 'web', chart, '--wait', '--timeout', '90s');
    assert.match(printed, /STATUS: deployed/);
    await greets('hello');
    assert.match(await cluster.ok(['logs', 'job/web-before']), /^before hello$/m);
    assert.match(await cluster.ok(['logs', 'web-after']), /^after hello$/m);
    assert.match(await helm('test', 'web', '--logs'), /Phase: +Succeeded/);
    assert.match(await helm('get', 'manifest', 'web'), /kind: Deployment/);
  });

  test('an upgrade changes what runs, and a rollback changes it back', async () => {
    await helm('upgrade', 'web', chart, '--set', 'greeting=moin', '--set', 'replicas=2', '--wait');
    await greets('moin');
    await helm('rollback', 'web', '1', '--wait');
    await greets('hello');
    const [release] = await installed();
    assert.deepEqual(
      { revision: release?.revision, status: release?.status },
      { revision: '3', status: 'deployed' },
    );
    assert.match(await helm('history', 'web'), /Rollback to 1/);
    assert.equal(await cluster.ok(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.replicas}']), '1');
  });

  test('a hook that fails stops an upgrade, --atomic takes it back, and the old version runs on', async () => {
    const failed = await run(
      'upgrade',
      'web',
      chart,
      '--set',
      'greeting=refuse',
      '--atomic',
      '--timeout',
      '60s',
    );
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /pre-upgrade hooks failed/);
    const data = await cluster.ok(['get', 'configmap', 'web', '-o', 'jsonpath={.data.greeting}']);
    assert.equal(data, 'hello');
    assert.equal((await installed())[0]?.status, 'deployed');
  });

  test('two upgrades at once do not both win', async () => {
    const both = await Promise.all([
      run('upgrade', 'web', chart, '--set', 'greeting=left'),
      run('upgrade', 'web', chart, '--set', 'greeting=right'),
    ]);
    const losers = both.filter(({ code }) => code !== 0);
    assert.equal(losers.length, 1);
    assert.match(losers[0]?.stderr ?? '', /another operation .* is in progress|already exists/);
  });

  test('uninstalling takes everything away', async () => {
    await helm('uninstall', 'web', '--wait');
    assert.deepEqual(await installed(), []);
    const left = await cluster.kubectl([
      'get',
      'deployments,replicasets,services,configmaps',
      '-l',
      'app.kubernetes.io/instance=web',
      '-o',
      'name',
    ]);
    assert.equal(left.stdout, '');
    assert.equal(await cluster.ok(['get', 'secrets', '-l', 'owner=helm', '-o', 'name']), '');
  });
});
