import assert from 'node:assert/strict';
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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

interface PodStatus {
  status: {
    phase: string;
    containerStatuses?: {
      imageID: string;
      state: { waiting?: { reason: string; message?: string }; running?: object };
    }[];
  };
}

describe('images come from a registry', { skip: missing ?? false, timeout: 200_000 }, () => {
  const endings: (() => Promise<void> | void)[] = [];
  let cluster: Cluster;
  let registry: Registry;
  let link: BadLink;
  let engine: OwnEngine;

  before(async () => {
    const context = { after: (task: () => Promise<void> | void) => void endings.unshift(task) };
    registry = await startRegistry(context);
    link = await startBadLink(context, registry.port);
    engine = await ownEngine(context, [registry.host, link.host]);
    cluster = await Cluster.start(context);
    await cluster.addNodes(['board'], { runtime: 'oci', environment: engine.environment });
    await secret('right', registryPassword);
    await secret('wrong', 'guessed');
  });

  async function secret(name: string, password: string): Promise<void> {
    for (const [suffix, host] of [
      ['', registry.host],
      ['-slow', link.host],
    ])
      await cluster.ok([
        'create',
        'secret',
        'generic',
        `${name}${suffix}`,
        '--type=kubernetes.io/dockerconfigjson',
        `--from-literal=.dockerconfigjson=${registry.dockerConfig(password, host)}`,
      ]);
  }

  after(async () => {
    for (const end of endings) await end();
  });

  async function running(name: string): Promise<PodStatus> {
    return until(
      `${name} runs`,
      async () => {
        const found = await cluster.json<PodStatus>(['get', 'pod', name]);
        return found.status.containerStatuses?.[0]?.state.running ? found : undefined;
      },
      { describe: () => cluster.ok(['describe', 'pod', name]) },
    );
  }

  async function waiting(name: string, reason: string, message: RegExp): Promise<void> {
    await until(
      `${name} waits with ${reason}`,
      async () => {
        const { status } = await cluster.json<PodStatus>(['get', 'pod', name]);
        const state = status.containerStatuses?.[0]?.state.waiting;
        return state?.reason === reason && message.test(state.message ?? '');
      },
      { describe: () => cluster.ok(['describe', 'pod', name]) },
    );
  }

  async function eventsOf(name: string): Promise<string[]> {
    const { items } = await cluster.json<{ items: { type: string; reason: string; message: string }[] }>([
      'get',
      'events',
      '--field-selector',
      `involvedObject.name=${name}`,
    ]);
    return items.map(({ type, reason, message }) => `${type} ${reason}: ${message}`);
  }

  test('one that needs a log-in is had with the right secret only, and says so', async () => {
    const digest = await registry.push('team/app:1');
    const image = `${registry.host}/team/app:1`;
    await cluster.apply(pod('refused', image, { secrets: ['wrong'] }) + pod('open', image));
    await waiting('refused', 'ImagePullBackOff', /Back-off pulling image .*: ErrImagePull: .*unauthorized/);
    await waiting('open', 'ImagePullBackOff', /ErrImagePull/);
    const told = await eventsOf('refused');
    for (const line of [
      `Normal Pulling: Pulling image "${image}"`,
      'Warning Failed: Error: ErrImagePull',
      `Normal BackOff: Back-off pulling image "${image}"`,
      'Warning Failed: Error: ImagePullBackOff',
    ])
      assert.ok(told.includes(line), `${line}\n${told.join('\n')}`);
    assert.ok(told.some((line) => line.startsWith(`Warning Failed: Failed to pull image "${image}": `)));

    const account = { metadata: { name: 'puller' }, imagePullSecrets: [{ name: 'right' }] };
    await cluster.apply(JSON.stringify({ apiVersion: 'v1', kind: 'ServiceAccount', ...account }));
    await cluster.apply(
      pod('of-account', image, { account: 'puller' }) +
        pod('of-digest', `${registry.host}/team/app@${digest}`, { secrets: ['wrong', 'right'] }),
    );
    for (const name of ['of-account', 'of-digest']) {
      const { status } = await running(name);
      assert.equal(status.containerStatuses?.[0]?.imageID, `${registry.host}/team/app@${digest}`);
    }
    const pulled = (await eventsOf('of-account')).find((line) => line.includes('Pulled'));
    assert.match(
      pulled ?? '',
      /^Normal Pulled: Successfully pulled image ".*team\/app:1" in [\dms.]+ \([\dms.]+ including waiting\)\. Image size: \d+ bytes\.$/,
    );
    const agent = cluster.agents.get('board');
    for (const word of [registryPassword, 'guessed'].map((password) =>
      Buffer.from(`anna:${password}`).toString('base64'),
    ))
      assert.ok(!agent?.output.includes(word));
    const left = [...(await readdir('/run')), ...(await readdir('/dev/shm'))];
    assert.deepEqual(
      left.filter((name) => name.startsWith('flotilla-pull-')),
      [],
    );
    assert.deepEqual(await readdir(join(cluster.directory, 'board/oci/pulls')), []);
  });

  test('a name that is none is refused as such', async () => {
    await cluster.apply(pod('misnamed', 'registry.example/UPPER'));
    await waiting('misnamed', 'InvalidImageName', /couldn't parse image name "registry.example\/UPPER"/);
    assert.ok((await eventsOf('misnamed')).includes('Warning Failed: Error: InvalidImageName'));
  });

  test('a pull that is cut goes on with what it has not got, in the middle of a layer too', async () => {
    const layerBytes = [4, 4, 4, 4].map((size) => size * megabyte);
    await registry.push('team/big:1', { layerBytes });
    Object.assign(link, { receivedBytes: 0, budgetBytes: 11 * megabyte });
    await cluster.apply(pod('cut', `${link.host}/team/big:1`, { secrets: ['right-slow'] }));
    await waiting('cut', 'ImagePullBackOff', /ErrImagePull/);
    const before = link.receivedBytes;
    assert.ok(before > 9 * megabyte, `${before}`);
    Object.assign(link, { receivedBytes: 0, budgetBytes: Number.POSITIVE_INFINITY });
    await running('cut');
    assert.ok(link.receivedBytes < 7.5 * megabyte, `${link.receivedBytes} of 17 MB came again`);
  });

  test('the old pod of an update that deletes first goes on until the new image is complete', async () => {
    await registry.push('team/agent:1');
    await registry.push('team/agent:2', { layerBytes: [3, 3].map((size) => size * megabyte) });
    Object.assign(link, { budgetBytes: Number.POSITIVE_INFINITY, bytesPerSecond: 2 * megabyte });
    await cluster.apply(daemonSet('staged', `${registry.host}/team/agent:1`));
    const [first] = await cluster.readyPods('staged', 1);
    await cluster.apply(daemonSet('staged', `${link.host}/team/agent:2`));
    const stillRuns = async () => {
      const names = await engine.podman('ps', '--format', '{{.Names}}');
      return names.includes(first?.uid ?? '-');
    };
    await until('the deletion of the old pod', async () => (await cluster.pods('staged')).length === 0);
    const isHere = async () => {
      const images = await engine.podman('images', '--format', '{{.Repository}}:{{.Tag}}');
      return images.includes(`${link.host}/team/agent:2`);
    };
    while (!(await isHere())) {
      assert.ok((await stillRuns()) || (await isHere()), 'it stopped before its successor could start');
    }
    const [second] = await cluster.readyPods('staged', 1);
    assert.notEqual(second?.uid, first?.uid);
    const told = await eventsOf(first?.name ?? '');
    assert.ok(told.some((line) => line.startsWith('Normal AwaitingImages: ')));
    assert.ok(told.some((line) => line.startsWith('Normal Pulled: ') || line.includes('Pulling image')));
    assert.ok(
      (await eventsOf(second?.name ?? '')).includes(
        `Normal Pulled: Container image "${link.host}/team/agent:2" already present on machine`,
      ),
    );
    await cluster.ok(['delete', 'daemonset', 'staged']);
  });

  test('the node tells which images it has, for the scheduler', async () => {
    const name = `${registry.host}/team/agent:1`;
    await until('the image in the status of the node', async () => {
      const node = await cluster.json<{ status: { images?: { names: string[]; sizeBytes: number }[] } }>([
        'get',
        'node',
        'board',
      ]);
      const found = node.status.images?.find(({ names }) => names.includes(name));
      return found && found.sizeBytes > megabyte && found.names.some((other) => other.includes('@sha256:'));
    });
  });

  test('an archive that is put on the device is an image for the pods that wait for it', async () => {
    const image = 'registry.invalid/offline/app:1';
    await cluster.apply(pod('offline', image, { policy: 'Never' }));
    await waiting('offline', 'ErrImageNeverPull', /is not present with pull policy of Never/);
    await engine.podman('tag', `${registry.host}/team/agent:1`, image);
    const archive = join(cluster.directory, 'archive.tar');
    await engine.podman('save', '--output', archive, image);
    await engine.podman('untag', `${registry.host}/team/agent:1`, image);
    await writeFile(join(cluster.directory, 'board/import/broken.tar'), 'not an archive');
    await copyFile(archive, join(cluster.directory, 'board/import/app.tar'));
    await running('offline');
    const told = await eventsOf('board');
    assert.ok(told.some((line) => line.startsWith(`Normal ImageImported: Imported app.tar: ${image}, in `)));
    await until('the complaint', async () =>
      (await eventsOf('board')).some((line) => line.startsWith('Warning ImageImportFailed: broken.tar ')),
    );
  });
});

function daemonSet(name: string, image: string): string {
  const labels = { app: name };
  const container = {
    name: 'main',
    image,
    command: ['sh', '-c', 'trap "exit 0" TERM; while true; do sleep 0.2; done'],
  };
  const spec = {
    hostNetwork: true,
    terminationGracePeriodSeconds: 2,
    imagePullSecrets: [{ name: 'right' }, { name: 'right-slow' }],
    containers: [container],
  };
  const template = { metadata: { labels }, spec };
  const object = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name },
    spec: { selector: { matchLabels: labels }, template },
  };
  return JSON.stringify(object);
}

function pod(
  name: string,
  image: string,
  { secrets = [], account, policy }: { secrets?: readonly string[]; account?: string; policy?: string } = {},
): string {
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      hostNetwork: true,
      terminationGracePeriodSeconds: 0,
      imagePullSecrets: secrets.map((secret) => ({ name: secret })),
      ...(account === undefined ? {} : { serviceAccountName: account }),
      containers: [{ name: 'main', image, command: ['sleep', '1000'], imagePullPolicy: policy }],
    },
  };
  return `${JSON.stringify(object)}\n`;
}
