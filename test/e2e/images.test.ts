import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
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

  test('a pull that is cut goes on with the layers that it has not got', async () => {
    const layerBytes = [4, 4, 4, 4].map((size) => size * megabyte);
    await registry.push('team/big:1', { layerBytes });
    Object.assign(link, { receivedBytes: 0, budgetBytes: 11 * megabyte });
    await cluster.apply(pod('cut', `${link.host}/team/big:1`, { secrets: ['right-slow'] }));
    await waiting('cut', 'ImagePullBackOff', /ErrImagePull/);
    const before = link.receivedBytes;
    assert.ok(before > 9 * megabyte, `${before}`);
    Object.assign(link, { receivedBytes: 0, budgetBytes: Number.POSITIVE_INFINITY });
    await running('cut');
    assert.ok(link.receivedBytes < 9.5 * megabyte, `${link.receivedBytes} of 17 MB came again`);
  });
});

function pod(
  name: string,
  image: string,
  { secrets = [], account }: { secrets?: readonly string[]; account?: string } = {},
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
      containers: [{ name: 'main', image, command: ['sleep', '1000'] }],
    },
  };
  return `${JSON.stringify(object)}\n`;
}
