import assert from 'node:assert/strict';
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findRuntimeProgram } from '../../agent/drivers/process/runtime-program.ts';
import { Cluster } from './support/cluster.ts';
import { containersMissing } from './support/images.ts';
import { finish, until } from './support/programs.ts';
import {
  type OwnEngine,
  ownEngine,
  type Registry,
  registryMissing,
  registryPassword,
  startRegistry,
} from './support/registry.ts';

/** A device without a container engine runs pods with images; podman only makes those here. */
const missing =
  (await containersMissing()) ??
  (await registryMissing()) ??
  (findRuntimeProgram({ cgroups: true }) ? undefined : 'crun, runc and bubblewrap are not installed');

interface PodJson {
  metadata: { uid: string };
  status: {
    containerStatuses?: {
      imageID: string;
      containerID: string;
      restartCount: number;
      ready: boolean;
      state: {
        waiting?: { reason: string; message?: string };
        running?: { startedAt: string };
        terminated?: { exitCode: number; reason: string; message?: string };
      };
    }[];
  };
}

describe('images without an engine', { skip: missing ?? false, timeout: 400_000 }, () => {
  const endings: (() => Promise<void> | void)[] = [];
  let cluster: Cluster;
  let registry: Registry;
  let engine: OwnEngine;

  before(async () => {
    const context = { after: (task: () => Promise<void> | void) => void endings.unshift(task) };
    registry = await startRegistry(context);
    engine = await ownEngine(context, [registry.host]);
    cluster = await Cluster.start(context);
    await startAgent();
    await cluster.waitForNode('board', 'True');
    await cluster.ok([
      'create',
      'secret',
      'generic',
      'right',
      '--type=kubernetes.io/dockerconfigjson',
      `--from-literal=.dockerconfigjson=${registry.dockerConfig(registryPassword)}`,
    ]);
    await cluster.ok(['create', 'configmap', 'settings', '--from-literal=greeting=hello']);
  });

  after(async () => {
    for (const end of endings) await end();
  });

  const startAgent = () =>
    cluster.startAgent('board', { runtime: 'process', environment: engine.environment });
  const status = async (name: string) => {
    const pod = await cluster.json<PodJson>(['get', 'pod', name]);
    return { uid: pod.metadata.uid, ...pod.status.containerStatuses?.[0] };
  };
  const ready = (name: string) =>
    until(
      `${name} is ready`,
      async () => {
        const found = await status(name);
        return found.ready ? found : undefined;
      },
      { describe: () => cluster.ok(['describe', 'pod', name]) },
    );

  test('an archive, of either kind, is an image for a pod that waits: with logs, exec, a probe and volumes', async () => {
    const image = 'registry.invalid/offline/box:1';
    await registry.push('team/box:1');
    await engine.podman('login', '--username', 'anna', '--password', registryPassword, registry.host);
    await engine.podman('pull', `${registry.host}/team/box:1`);
    await engine.podman('tag', `${registry.host}/team/box:1`, image, 'registry.invalid/offline/box:2');
    await cluster.apply(pod('box', { image, policy: 'Never', ...withProbe }));
    await until('it waits in words', async () => {
      const { waiting } = (await status('box')).state ?? {};
      return waiting?.reason === 'ErrImageNeverPull' && /pull policy of Never/.test(waiting.message ?? '');
    });
    const archive = join(cluster.directory, 'docker.tar');
    await engine.podman('save', '--format', 'docker-archive', '--output', archive, image);
    await copyFile(archive, join(cluster.directory, 'board/import/docker.tar'));
    await ready('box');
    assert.match(await cluster.ok(['logs', 'box']), /^hello from \/\n/);
    const inside = await cluster.ok([
      'exec',
      'box',
      '--',
      'sh',
      '-c',
      'ls -d /*; cat /config/greeting; echo $$',
    ]);
    assert.match(inside, /^\/bin\n/);
    assert.doesNotMatch(inside, /\/usr|\/home/, 'the files of the host are not there');
    assert.match(inside, /hello\d+\n$/);

    const other = join(cluster.directory, 'oci.tar');
    await engine.podman(
      'save',
      '--format',
      'oci-archive',
      '--output',
      other,
      'registry.invalid/offline/box:2',
    );
    await copyFile(other, join(cluster.directory, 'board/import/oci.tar'));
    await cluster.apply(pod('second', { image: 'registry.invalid/offline/box:2', policy: 'Never' }));
    await ready('second');
    const layers = await readdir(join(cluster.directory, 'board/images/layers'));
    assert.equal(layers.length, 1, 'a layer is unpacked once');
    await cluster.ok(['delete', 'pod', 'second', '--wait=false']);
  });

  test('a restarted agent finds it running, and lost nothing of it', async () => {
    const first = await status('box');
    await cluster.agents.get('board')?.kill('SIGKILL');
    await startAgent();
    await cluster.waitForNode('board', 'True');
    const again = await ready('box');
    assert.deepEqual(
      [again.containerID, again.restartCount, again.state?.running],
      [first.containerID, 0, first.state?.running],
    );
    const kept = await until('its link is back', async () => {
      const { code, stdout } = await cluster.kubectl(['exec', 'box', '--', 'cat', '/tmp/mine']);
      return code === 0 ? stdout : undefined;
    });
    assert.match(kept, /written before/);
    assert.match(await cluster.ok(['logs', 'box']), /^hello from \/\n/);
  });

  test('an image comes from a registry, with its secret, and is run by its digest', async () => {
    const digest = await registry.push('team/app:1', { layerBytes: [300_000] });
    const image = `${registry.host}/team/app:1`;
    await cluster.apply(pod('refused', { image }) + pod('pulled', { image, secret: 'right' }));
    assert.equal((await ready('pulled')).imageID, `${registry.host}/team/app@${digest}`);
    await until('the other one says why', async () =>
      /unauthorized|authentication required/i.test((await status('refused')).state?.waiting?.message ?? ''),
    );
    await until('the node tells of it', async () =>
      (await cluster.ok(['get', 'node', 'board', '-o', 'jsonpath={.status.images[*].names}'])).includes(
        image,
      ),
    );
  });

  test('one that takes too much memory is killed, and its last word is kept', async () => {
    const image = `${registry.host}/team/app:1`;
    const greedy =
      'echo last word > /dev/termination-log; x=$(cat /dev/zero | tr "\\\\0" x | head -c 300000000); echo ${#x}';
    await cluster.apply(
      pod('greedy', { image, secret: 'right', script: greedy, memory: '32Mi', restartPolicy: 'Never' }),
    );
    const ended = await until('it has ended', async () => (await status('greedy')).state?.terminated);
    assert.deepEqual([ended.reason, ended.exitCode], ['OOMKilled', 137]);
    assert.equal(ended.message?.trim(), 'last word');
  });

  test('a program that the image has not is told in words, and nothing of pods is left when they go', async () => {
    const image = `${registry.host}/team/app:1`;
    await cluster.apply(pod('wrong', { image, secret: 'right', command: ['no-such-program'] }));
    await until('it says so', async () =>
      /executable file not found in \$PATH/.test((await status('wrong')).state?.waiting?.message ?? ''),
    );
    const uids = await cluster.ok(['get', 'pods', '-o', 'jsonpath={.items[*].metadata.uid}']);
    await cluster.ok(['delete', 'pods', '--all', '--grace-period=1'], { timeoutMs: 60_000 });
    for (const uid of uids.split(' ')) {
      let left: string[] = [];
      await until(
        `nothing is left of ${uid}`,
        async () => (left = await leftovers(uid, cluster.directory)).length === 0,
        {
          describe: () => Promise.resolve(left.join('\n')),
        },
      );
    }
  });
});

/** Whatever on the machine still names the pod. */
async function leftovers(uid: string, directory: string): Promise<string[]> {
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').filter((line) => line.includes(uid));
  const found = await Promise.all(
    ['/sys/fs/cgroup', join(directory, 'board')].map((place) => finish('find', [place, '-name', `*${uid}*`])),
  );
  const processes: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const words = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    if (words.includes(`process/${uid}`)) processes.push(`process ${pid}: ${words.slice(0, 200)}`);
  }
  return [...mounts, ...found.flatMap(({ stdout }) => stdout.split('\n')), ...processes].filter(
    (line) => line !== '',
  );
}

const withProbe = {
  script:
    'echo hello from $(pwd); mkdir -p /tmp; echo written before > /tmp/mine; trap "exit 0" TERM; while :; do sleep 0.2; done',
  more: {
    readinessProbe: { exec: { command: ['cat', '/config/greeting', '/tmp/mine'] }, periodSeconds: 1 },
    volumeMounts: [{ name: 'config', mountPath: '/config' }],
  },
  volumes: [{ name: 'config', configMap: { name: 'settings' } }],
};

interface PodOptions {
  image: string;
  policy?: string;
  secret?: string;
  script?: string;
  command?: string[];
  memory?: string;
  restartPolicy?: string;
  more?: object;
  volumes?: object[];
}

function pod(name: string, options: PodOptions): string {
  const { image, policy, secret, memory, restartPolicy, more, volumes = [] } = options;
  const script = options.script ?? 'trap "exit 0" TERM; while :; do sleep 0.2; done';
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      terminationGracePeriodSeconds: 2,
      ...(secret === undefined ? {} : { imagePullSecrets: [{ name: secret }] }),
      ...(restartPolicy === undefined ? {} : { restartPolicy }),
      containers: [
        {
          name: 'main',
          image,
          command: options.command ?? ['sh', '-c', script],
          imagePullPolicy: policy,
          ...(memory === undefined ? {} : { resources: { limits: { memory } } }),
          ...more,
        },
      ],
      volumes,
    },
  };
  return `${JSON.stringify(object)}\n`;
}
