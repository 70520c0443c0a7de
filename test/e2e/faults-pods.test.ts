import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { processDeployment } from './support/manifests.ts';
import { finish, until } from './support/programs.ts';

/**
 * Pods that behave badly, on a device whose data lies on a small disk: its other pods stay manageable, and it is well
 * again when the bad one is gone.
 */
const diskMebibytes = 96;

describe('a pod that misbehaves', { timeout: 300_000 }, () => {
  let cluster: Cluster;
  let data = '';
  let noDisk = false;
  const ending: (() => Promise<void>)[] = [];

  before(async () => {
    data = await mkdtemp('/var/tmp/flotilla-small-');
    const mounted = await finish('mount', ['-t', 'tmpfs', '-o', `size=${diskMebibytes}m`, 'tmpfs', data]);
    noDisk = mounted.code !== 0;
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    await symlink(data, join(cluster.directory, 'small'));
    await cluster.addNodes(['small'], { flags: ['--eviction-pressure-transition-seconds', '1'] });
    await cluster.apply(processDeployment('good'));
    await cluster.readyPods('good', 1);
  });

  after(async () => {
    for (const task of ending) await task();
    await finish('umount', ['-l', data]);
    await rm(data, { recursive: true, force: true });
  });

  /** The other pod's logs and commands, and the node itself. */
  async function manageable(): Promise<void> {
    const good = (await cluster.pods('good')).find(({ ready }) => ready);
    const name = good?.name ?? '';
    assert.match(await cluster.ok(['logs', '--tail=1', name], { timeoutMs: 15_000 }), /tick/);
    assert.equal(await cluster.ok(['exec', name, '--', 'echo', 'x'], { timeoutMs: 15_000 }), 'x\n');
    await cluster.waitForNode('small', 'True');
  }

  async function remove(app: string): Promise<void> {
    await cluster.ok(['delete', 'deployment', app, '--wait=false']);
    await until(`${app} gone`, async () => {
      return (await cluster.ok(['get', 'pods', '-l', `app=${app}`, '-o', 'name'])) === '';
    });
  }

  const run = (app: string, script: string) => cluster.apply(processDeployment(app, { script }));
  const sizeOf = (file: string) =>
    stat(file).then(
      ({ size }) => size,
      () => 0,
    );

  /** Bytes kept of the log of the app's only container. */
  async function logBytes(app: string): Promise<number> {
    const [pod] = await cluster.pods(app);
    const folder = join(data, 'process', pod?.uid ?? '', 'containers', 'main', '0');
    const sizes = await Promise.all(
      (await readdir(folder).catch(() => [])).map((name) => sizeOf(join(folder, name))),
    );
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  test('a flood of log is cut while it comes, and the end of it can be read', async () => {
    const flood = 'while :; do head -c 1000000 /dev/zero | tr "\\\\0" "x" | fold -w 100; sleep 0.02; done';
    await run('flood', flood);
    const [pod] = await cluster.readyPods('flood', 1);
    let most = 0;
    await until('much was said', async () => {
      most = Math.max(most, await logBytes('flood'));
      const last = await cluster.ok(['logs', '--tail=1', pod?.name ?? '']);
      return last.length > 50 && most > 12_000_000;
    });
    await manageable();
    assert.ok(most < 80_000_000, `${most} bytes`);
    await remove('flood');
    assert.equal(await logBytes('flood'), 0);
  });

  test('one that will not end when asked is killed after its grace period', async () => {
    await run('deaf', 'trap "" TERM INT HUP; while :; do sleep 0.2; done');
    await cluster.readyPods('deaf', 1);
    await manageable();
    await remove('deaf');
    const left = await finish('pgrep', ['-f', 'trap "" TERM INT HUP']);
    assert.equal(left.stdout, '');
  });

  test('a storm of zombies and children that outlive their parents leaves nothing behind', async () => {
    // Told from what other tests have sleeping.
    const seconds = 1_000_000 + process.pid;
    const storm = `while :; do for i in 1 2 3 4 5 6 7 8; do (sleep ${seconds} & ) & done; sleep 0.2; done`;
    await run('storm', storm);
    await cluster.readyPods('storm', 1);
    await until('a storm', async () => {
      const { stdout } = await finish('pgrep', ['-fc', `^sleep ${seconds}`]);
      return Number(stdout) > 40;
    });
    await manageable();
    await remove('storm');
    await until(
      'all of them gone',
      async () => (await finish('pgrep', ['-f', `^sleep ${seconds}`])).stdout === '',
    );
  });

  test('a full disk is told, and everything goes on when there is room', async (t) => {
    if (noDisk) return t.skip('file systems cannot be mounted here');
    const filler = join(data, 'filler');
    await finish('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M', `count=${diskMebibytes}`]);
    await until('told', async () =>
      /DiskPressure +True/.test(await cluster.ok(['describe', 'node', 'small'])),
    );
    await cluster.waitForNode('small', 'True');
    await rm(filler);
    await until('room again', async () =>
      /DiskPressure +False/.test(await cluster.ok(['describe', 'node', 'small'])),
    );
    // The good one may have been evicted meanwhile, and another come in its place.
    await until('all is well', () => manageable().then(() => true));
  });
});
