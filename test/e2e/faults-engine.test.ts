import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { FaultyEngine, pathWithoutEngine } from './support/faulty-engine.ts';
import { busyboxImage, containersMissing } from './support/images.ts';
import { containerDeployment, processDeployment } from './support/manifests.ts';
import { until } from './support/programs.ts';

/**
 * A container engine that hangs, breaks or is away: processes of the same device are not held up, the node says what
 * is wrong, and everything heals by itself.
 */
const missing = await containersMissing();

describe('an engine at fault', { timeout: 200_000, skip: missing ?? false }, () => {
  let cluster: Cluster;
  let engine: FaultyEngine;
  const ending: (() => Promise<void>)[] = [];
  const agent = () => ({ runtime: 'auto' as const, environment: { PATH: engine.path } });

  before(async () => {
    cluster = await Cluster.start({ after: (task) => void ending.push(task) });
    engine = await FaultyEngine.create(cluster.directory);
    await cluster.addNodes(['one'], agent());
    await cluster.apply(processDeployment('proc') + '---\n' + containerDeployment('cont', busyboxImage));
    await cluster.readyPods('proc', 1);
    await cluster.readyPods('cont', 1);
  });

  after(async () => {
    await engine?.heal();
    for (const task of ending) await task();
  });

  const readiness = () =>
    cluster.ok(['get', 'node', 'one', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].message}']);

  /** Logs, commands and whole lives of processes, while the engine does not answer. */
  async function processesAreManageable(name: string): Promise<void> {
    const [pod] = await cluster.pods('proc');
    assert.match(await cluster.ok(['logs', '--tail=1', pod?.name ?? ''], { timeoutMs: 10_000 }), /tick/);
    assert.equal(
      await cluster.ok(['exec', pod?.name ?? '', '--', 'echo', 'here'], { timeoutMs: 10_000 }),
      'here\n',
    );
    await cluster.apply(toleratesAll(processDeployment(name)));
    await cluster.readyPods(name, 1);
    await cluster.ok(['delete', 'deployment', name]);
    await until(`${name} gone`, async () => (await cluster.pods(name)).length === 0);
  }

  test('broken: the node says so, its processes are manageable, its containers are as before', async () => {
    const before = await cluster.pods('cont');
    await engine.fail('broken');
    await cluster.apply(toleratesAll(containerDeployment('late', busyboxImage)));
    await until('the node tells', async () =>
      /container runtime is down: oci: database disk image is malformed/.test(await readiness()),
    );
    await processesAreManageable('meanwhile');
    const [late] = await cluster.pods('late');
    await until('the pod tells', async () =>
      /Waiting for the container runtime oci, which does not answer: database disk image is/.test(
        await cluster.ok(['describe', 'pod', late?.name ?? '']),
      ),
    );
    await engine.heal();
    await cluster.waitForNode('one', 'True');
    await cluster.readyPods('late', 1);
    await cluster.ok(['delete', 'deployment', 'late']);
    assert.deepEqual((await cluster.readyPods('cont', 1))[0], before[0], 'nothing restarted');
  });

  test('hanging when the agent starts: processes are taken care of at once, containers when it answers', async () => {
    const before = [...(await cluster.pods('cont')), ...(await cluster.pods('proc'))];
    await engine.fail('hangs');
    await cluster.agents.get('one')?.kill('SIGKILL');
    await cluster.startAgent('one', agent());
    await until('the node tells', async () =>
      /container runtime is down: oci: no answer within 5000 ms/.test(await readiness()),
    );
    await processesAreManageable('beside');
    await engine.heal();
    await cluster.agents.get('one')?.saying(/the runtime answers again/, 60_000);
    await cluster.waitForNode('one', 'True');
    const [cont] = await cluster.readyPods('cont', 1);
    const [proc] = await cluster.readyPods('proc', 1);
    assert.deepEqual([cont, proc], before, 'nothing restarted');
    assert.match(await cluster.ok(['exec', cont?.name ?? '', '--', 'echo', 'back']), /back/);
  });
});

describe('an engine that is installed later', { timeout: 120_000, skip: missing ?? false }, () => {
  test('is used without a restart of the agent, and the node says until then what it has', async (t) => {
    const cluster = await Cluster.start(t);
    const { path, install } = await pathWithoutEngine(cluster.directory);
    await cluster.startAgent('bare', { runtime: 'oci', environment: { PATH: path } });
    const describeNode = () => cluster.ok(['describe', 'node', 'bare']);
    await until('the node tells', async () =>
      /RuntimeReady +False .*no container runtime works here: oci: no container engine \(podman: not installed/.test(
        await describeNode(),
      ),
    );
    await cluster.apply(toleratesAll(containerDeployment('early', busyboxImage)));
    const [early] = await until('a pod', async () => {
      const pods = await cluster.pods('early');
      return pods[0]?.node === undefined ? undefined : pods;
    });
    await until('the pod tells', async () =>
      /Waiting for a container runtime: none works on this node yet/.test(
        await cluster.ok(['describe', 'pod', early?.name ?? '']),
      ),
    );
    await install();
    const [ready] = await cluster.readyPods('early', 1, 90_000);
    assert.equal(ready?.uid, early?.uid, 'the pod that waited');
    await cluster.waitForNode('bare', 'True');
    assert.match(await describeNode(), /Container Runtime Version: +podman:/);
  });
});

/** A node whose runtime is down is tainted; what shall come all the same has to say so. */
function toleratesAll(manifest: string): string {
  return manifest.replace('    spec:\n', '    spec:\n      tolerations: [{operator: Exists}]\n');
}
