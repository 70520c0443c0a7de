import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { until } from './support/programs.ts';
import { SmallDisk } from './support/small-disk.ts';

/** The agent's own data on a disk that is full to the last byte. Nobody is evicted here, so that it stays full. */
const flags = [
  '--eviction-hard',
  'nodefs.available<0,nodefs.inodesFree<0',
  '--eviction-pressure-transition-seconds',
  '1',
];

test('a device whose data disk is full stays manageable, says so, and heals by itself', async (t) => {
  const disk = await SmallDisk.mount(48);
  if (!disk) return t.skip('file systems cannot be mounted here');
  const cluster = await Cluster.start(t);
  t.after(() => disk[Symbol.asyncDispose]());
  await symlink(disk.path, join(cluster.directory, 'full'));
  await cluster.addNodes(['full'], { flags });
  await cluster.apply(processDeployment('good') + '---\n' + processDeployment('spare'));
  const [good] = await cluster.readyPods('good', 1);
  await cluster.readyPods('spare', 1);
  const describeNode = () => cluster.ok(['describe', 'node', 'full']);
  const goodIsWell = async () => {
    const name = good?.name ?? '';
    assert.match(await cluster.ok(['logs', '--tail=1', name]), /tick/);
    assert.equal(await cluster.ok(['exec', name, '--', 'echo', 'x']), 'x\n');
  };

  await disk.fill();
  await cluster.ok(['delete', 'deployment', 'spare', '--wait=false']);
  await until('what is deleted goes', async () => (await cluster.pods('spare')).length === 0);
  await until('its pod is gone', async () => {
    return (await cluster.ok(['get', 'pods', '-l', 'app=spare', '-o', 'name'])) === '';
  });
  await goodIsWell();

  await cluster.agents.get('full')?.kill('SIGKILL');
  await cluster.startAgent('full', { flags });
  await cluster.agents.get('full')?.saying(/agent runs/);
  await goodIsWell();
  await disk.fill();

  // More than the room that is kept for such times.
  await cluster.apply(configMap('large', 150_000) + '---\n' + mounting('late', 'large'));
  await until('the node tells', async () => {
    const told = await describeNode();
    return /DataDiskFailing +True .*DiskFull .*make room there/.test(told) && /DiskPressure +True/.test(told);
  });
  await goodIsWell();
  assert.deepEqual(
    (await cluster.pods('late')).map(({ ready }) => ready),
    [false],
    'nothing runs that is not on disk',
  );

  await disk.free();
  await until('the node is well', async () => {
    const told = await describeNode();
    return /DataDiskFailing +False/.test(told) && /DiskPressure +False/.test(told);
  });
  await cluster.readyPods('late', 1);
  const [after] = await cluster.readyPods('good', 1);
  assert.deepEqual(after, good, 'nothing restarted');
});

function configMap(name: string, bytes: number): string {
  // What does not compress.
  const data = Array.from({ length: Math.ceil(bytes / 8) }, () => Math.random().toString(36).slice(2, 10));
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {text: "${data.join('')}"}\n`;
}

function mounting(app: string, map: string): string {
  const volume = `volumes: [{name: files, configMap: {name: ${map}}}]\n      tolerations: [{operator: Exists}]`;
  return processDeployment(app, { extra: volume }).replace(
    '        resources:',
    '        volumeMounts: [{name: files, mountPath: /tmp/flotilla-late}]\n        resources:',
  );
}
