import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Cluster } from './support/cluster.ts';
import { containersMissing } from './support/images.ts';
import { until } from './support/programs.ts';
import {
  type BadLink,
  type OwnEngine,
  ownEngine,
  type Registry,
  registryMissing,
  registryPassword,
  startBadLink,
  startRegistry,
} from './support/registry.ts';

const missing = (await containersMissing()) ?? (await registryMissing());
const megabyte = 1_000_000;
const patient = { timeoutMs: 120_000 };

interface PodStatus {
  status: {
    containerStatuses?: {
      imageID: string;
      state: { waiting?: { reason: string; message?: string }; running?: object };
    }[];
  };
}

describe('layers at a site', { skip: missing ?? false, timeout: 400_000 }, () => {
  const endings: (() => Promise<void> | void)[] = [];
  const boards = ['one', 'two'];
  const engines = new Map<string, OwnEngine>();
  let cluster: Cluster;
  let registry: Registry;
  let link: BadLink;

  before(async () => {
    const context = { after: (task: () => Promise<void> | void) => void endings.unshift(task) };
    registry = await startRegistry(context, { tells: true });
    link = await startBadLink(context, registry.port);
    for (const name of boards) engines.set(name, await ownEngine(context, [registry.host, link.host]));
    cluster = await Cluster.start(context);
    for (const name of boards) await startAgent(name);
    for (const name of boards) await cluster.waitForNode(name, 'True');
    for (const [name, host] of [
      ['right', registry.host],
      ['right-slow', link.host],
    ])
      await cluster.ok([
        'create',
        'secret',
        'generic',
        name ?? '',
        '--type=kubernetes.io/dockerconfigjson',
        `--from-literal=.dockerconfigjson=${registry.dockerConfig(registryPassword, host)}`,
      ]);
    await until(
      'both give layers',
      async () => {
        const nodes = await cluster.ok(['get', 'nodes', '-o', 'json']);
        return nodes.match(/"flotilla\.dev\/layers-port": "\d+"/g)?.length === boards.length;
      },
      patient,
    );
  });

  const startAgent = (name: string) =>
    cluster.startAgent(name, {
      runtime: 'oci',
      labels: 'topology.kubernetes.io/zone=hall',
      flags: ['--layers-port', '0'],
      environment: engines.get(name)?.environment ?? {},
    });

  after(async () => {
    for (const end of endings) await end();
  });

  const run = (name: string, board: string, image: string) => {
    const spec = {
      nodeName: board,
      hostNetwork: true,
      terminationGracePeriodSeconds: 0,
      imagePullSecrets: [{ name: 'right' }, { name: 'right-slow' }],
      containers: [{ name: 'main', image, command: ['sleep', '1000'] }],
    };
    return cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }));
  };

  async function running(name: string): Promise<string> {
    return until(
      `${name} runs`,
      async () => {
        const { status } = await cluster.json<PodStatus>(['get', 'pod', name]);
        const [container] = status.containerStatuses ?? [];
        return container?.state.running ? container.imageID : undefined;
      },
      { describe: () => cluster.ok(['describe', 'pod', name]), ...patient },
    );
  }

  async function eventsOf(name: string): Promise<string[]> {
    const { items } = await cluster.json<{ items: { reason: string; message: string }[] }>([
      'get',
      'events',
      '--field-selector',
      `involvedObject.name=${name}`,
    ]);
    return items.map(({ reason, message }) => `${reason}: ${message}`);
  }

  test('the second device has its layers from the first: the registry is asked for manifests only', async () => {
    const layerBytes = [3, 2].map((size) => size * megabyte);
    const digest = await registry.push('site/app:1', { layerBytes });
    const image = `${registry.host}/site/app:1`;
    await run('first', 'one', image);
    assert.equal(await running('first'), `${registry.host}/site/app@${digest}`);
    const before = registry.asked().length;
    await run('second', 'two', image);
    assert.equal(await running('second'), `${registry.host}/site/app@${digest}`);
    const asked = registry.asked().slice(before);
    assert.ok(
      asked.some((line) => line === 'GET /v2/site/app/manifests/1 200'),
      asked.join('\n'),
    );
    assert.deepEqual(
      asked.filter((line) => line.includes('/blobs/')),
      [],
    );
    const told = await eventsOf('second');
    const nearby = told.find((line) => line.startsWith('LayersFromNeighbours: '));
    assert.match(
      nearby ?? told.join('\n'),
      /^LayersFromNeighbours: \d MB of image ".*site\/app:1" came from one$/,
    );
  });

  test('a layer that is cut in the middle goes on from there, and the pod is told of no failure', async () => {
    await registry.push('site/large:1', { layerBytes: [12 * megabyte] });
    Object.assign(link, { receivedBytes: 0, budgetBytes: 6 * megabyte });
    await run('cut', 'one', `${link.host}/site/large:1`);
    await until('the cut', async () => link.receivedBytes > 5.5 * megabyte, patient);
    await until('nobody gets anything', async () => link.refused > 0, patient);
    link.budgetBytes = Number.POSITIVE_INFINITY;
    await running('cut');
    assert.ok(link.receivedBytes < 14 * megabyte, `${link.receivedBytes} of 13 MB`);
    assert.ok(registry.asked().some((line) => /^GET \/v2\/site\/large\/blobs\/\S+ 206$/.test(line)));
    assert.deepEqual(
      (await eventsOf('cut')).filter((line) => line.startsWith('Failed')),
      [],
    );
  });

  test('when both want something new at once, it comes from far away once', async () => {
    await registry.push('site/both:1', { layerBytes: [8 * megabyte] });
    Object.assign(link, { receivedBytes: 0, bytesPerSecond: 3 * megabyte });
    for (const board of boards) await run(`both-${board}`, board, `${link.host}/site/both:1`);
    for (const board of boards) await running(`both-${board}`);
    link.bytesPerSecond = Number.POSITIVE_INFINITY;
    assert.ok(link.receivedBytes < 12 * megabyte, `${link.receivedBytes} for twice 9 MB`);
  });

  test('what has come of a layer is not fetched again when the agent starts anew', async () => {
    await registry.push('site/other:1', { layerBytes: [12 * megabyte] });
    Object.assign(link, { receivedBytes: 0, bytesPerSecond: 3 * megabyte });
    await run('stopped', 'one', `${link.host}/site/other:1`);
    await until('half of it', async () => link.receivedBytes > 6 * megabyte, patient);
    await cluster.agents.get('one')?.kill('SIGTERM');
    link.bytesPerSecond = Number.POSITIVE_INFINITY;
    await startAgent('one');
    await running('stopped');
    assert.ok(link.receivedBytes < 14 * megabyte, `${link.receivedBytes} of 13 MB`);
  });

  test('neighbours are known while the server is away', async () => {
    await registry.push('site/away:1', { layerBytes: [3 * megabyte] });
    await run('near', 'one', `${registry.host}/site/away:1`);
    await running('near');
    link.budgetBytes = 0;
    const image = `${link.host}/site/away:1`;
    await run('away', 'two', image);
    await until(
      'the pull fails',
      async () => {
        const { status } = await cluster.json<PodStatus>(['get', 'pod', 'away']);
        return status.containerStatuses?.[0]?.state.waiting?.reason === 'ImagePullBackOff';
      },
      patient,
    );
    const uid = await cluster.ok(['get', 'pod', 'away', '-o', 'jsonpath={.metadata.uid}']);
    await cluster.killServer();
    const before = registry.asked().length;
    link.budgetBytes = Number.POSITIVE_INFINITY;
    await until(
      'its container',
      async () => (await engines.get('two')?.podman('ps', '--format', '{{.Names}}'))?.includes(`${uid}.main`),
      { ...patient, describe: () => cluster.agents.get('two')?.output ?? '' },
    );
    const asked = registry.asked().slice(before);
    assert.ok(
      asked.some((line) => line === 'GET /v2/site/away/manifests/1 200'),
      asked.join('\n'),
    );
    assert.deepEqual(
      asked.filter((line) => line.includes('/blobs/')),
      [],
    );
  });
});
