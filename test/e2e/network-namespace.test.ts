import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { finish, launcher, Running, until } from './support/programs.ts';

test('an agent in a network namespace of its own joins over its one connection, and the link may break and heal', {
  timeout: 120_000,
}, async (t) => {
  const space = `flo${process.pid}`;
  const [outside, inside] = ['10.213.77.1', '10.213.77.2'];
  const ip = (...words: string[]) => finish('ip', words);
  if ((await ip('netns', 'add', space)).code !== 0)
    return t.skip('network namespaces are not permitted here');
  t.after(() => finish('sh', ['-c', `ip link del ${space}a; ip netns del ${space}`]));
  for (const words of [
    `link add ${space}a type veth peer name ${space}b netns ${space}`,
    `addr add ${outside}/30 dev ${space}a`,
    `link set ${space}a up`,
    `-n ${space} addr add ${inside}/30 dev ${space}b`,
    `-n ${space} link set ${space}b up`,
    `-n ${space} link set lo up`,
  ]) {
    const done = await ip(...words.split(' '));
    assert.equal(done.code, 0, `${words}: ${done.stderr}`);
  }
  const cluster = await Cluster.start(t, { bind: '0.0.0.0' });
  const agent = new Running('ip', [
    'netns',
    'exec',
    space,
    launcher,
    'agent',
    '--data',
    `${cluster.directory}/far`,
    '--name',
    'far.example.org',
    '--server',
    `${outside}:${cluster.mqttPort}`,
    '--runtime',
    'process',
    '--join',
    await cluster.createToken(),
  ]);
  t.after(() => agent.kill('SIGKILL'));
  await cluster.waitForNode('far.example.org', 'True');
  const addresses = await cluster.ok([
    'get',
    'node',
    'far.example.org',
    '-o',
    'jsonpath={.status.addresses}',
  ]);
  assert.match(addresses, new RegExp(inside.replaceAll('.', '\\.')));
  await cluster.apply(processDeployment('far'));
  const [pod] = await cluster.readyPods('far', 1);
  assert.equal((await cluster.ok(['exec', pod?.name ?? '', '--', 'sh', '-c', 'echo there'])).trim(), 'there');

  // A cable pulled without a word, then the server killed: the pod neither stops nor restarts.
  await ip('link', 'set', `${space}a`, 'down');
  await cluster.killServer();
  await cluster.startServer();
  await ip('link', 'set', `${space}a`, 'up');
  await cluster.waitForNode('far.example.org', 'True');
  const [after] = await cluster.readyPods('far', 1);
  assert.deepEqual(after, pod);
  await cluster.ok(['delete', 'deployment', 'far']);
  await until('pods gone', async () => (await cluster.ok(['get', 'pods', '-o', 'name'])) === '');
});
