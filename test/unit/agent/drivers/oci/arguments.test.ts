import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ContainerSpec, SandboxSpec } from '../../../../../agent/drivers/driver.ts';
import {
  containerName,
  execArguments,
  parseName,
  removeArguments,
  runContainerArguments,
  runSandboxArguments,
  sandboxName,
  stopArguments,
} from '../../../../../agent/drivers/oci/arguments.ts';
import type { Engine } from '../../../../../agent/drivers/oci/engine.ts';

const podman: Engine = {
  command: 'podman',
  version: '5',
  runtime: 'runc',
  rootless: false,
  imageRoot: '',
  cgroupManager: 'cgroupfs',
  limitsCpu: true,
  limitsMemory: true,
  limitsPids: true,
};
const docker: Engine = { ...podman, command: 'docker' };
const ours = {
  owner: 'me',
  cluster: 'fleet',
  image: 'localhost/x:1',
  sandbox: 'flotilla.uid-1',
  place: undefined,
  profileFolder: '/none',
};

const container: ContainerSpec = {
  podUid: 'uid-1',
  namespace: 'default',
  pod: 'web',
  container: 'main-2',
  attempt: 3,
  image: 'x',
  command: [],
  args: [],
  workingDir: undefined,
  environment: {},
  mounts: [],
  security: {},
  resources: { cpuLimitMillis: undefined, cpuRequestMillis: undefined, memoryLimitBytes: undefined },
  tty: false,
  stdin: false,
};

const pod: SandboxSpec = {
  podUid: 'uid-1',
  namespace: 'default',
  name: 'web',
  hostname: 'web',
  hostNetwork: false,
  ports: [],
  labels: {},
};

/** The words after `flag`, wherever it stands. */
function after(args: readonly string[], flag: string): (string | undefined)[] {
  return args.flatMap((word, index) => (word === flag ? [args[index + 1]] : []));
}

suite('names', () => {
  test('a name tells whose container it is', () => {
    assert.deepEqual(parseName(containerName(container)), {
      kind: 'container',
      podUid: 'uid-1',
      container: 'main-2',
      attempt: 3,
    });
    for (const hostNetwork of [false, true])
      assert.deepEqual(parseName(sandboxName({ podUid: 'uid-1', hostNetwork })), {
        kind: 'sandbox',
        podUid: 'uid-1',
        hostNetwork,
      });
  });

  test("other people's containers are not ours", () => {
    for (const name of [
      '',
      'web',
      'flotilla',
      'flotilla.',
      'flotilla.a.b',
      'flotilla.a.b.x',
      'flotilla.a.b.1.c',
    ])
      assert.equal(parseName(name), undefined, name);
  });

  test('what would change the meaning of a name is refused', () => {
    for (const podUid of ['', '-x', 'a.b', 'a/b', 'a b'])
      assert.throws(() => sandboxName({ podUid, hostNetwork: false }), {
        code: 'CreateContainerConfigError',
      });
  });
});

suite('run', () => {
  const run = (changes: Partial<ContainerSpec>, engine = podman) =>
    runContainerArguments(engine, { ...container, ...changes }, ours);
  const tail = (changes: Partial<ContainerSpec>) => {
    const { args } = run(changes);
    const image = args.indexOf(ours.image);
    return { entrypoint: after(args.slice(0, image), '--entrypoint'), rest: args.slice(image + 1) };
  };

  test('command replaces the entrypoint and args the cmd, each when it is not empty', () => {
    assert.deepEqual(tail({}), { entrypoint: [], rest: [] });
    assert.deepEqual(tail({ args: ['a'] }), { entrypoint: [], rest: ['a'] });
    assert.deepEqual(tail({ command: ['c', 'd'] }), { entrypoint: ['c'], rest: ['d'] });
    assert.deepEqual(tail({ command: ['c', 'd'], args: ['a'] }), { entrypoint: ['c'], rest: ['d', 'a'] });
  });

  test('values of variables stay out of the process list, but for those that would steer the engine', () => {
    const { args, environment } = run({
      environment: { PASSWORD: 'secret\nlines', PATH: '/opt', https_proxy: 'p', LD_PRELOAD: 'l' },
    });
    assert.deepEqual(after(args, '--env'), ['PASSWORD', 'PATH=/opt', 'https_proxy=p', 'LD_PRELOAD=l']);
    assert.deepEqual(environment, { PASSWORD: 'secret\nlines' });
    assert.doesNotMatch(args.join(' '), /secret/);
  });

  test('a container joins the namespaces of its pod and never fetches its image', () => {
    const { args } = run({});
    assert.deepEqual(after(args, '--network'), ['container:flotilla.uid-1']);
    assert.deepEqual(after(args, '--ipc'), ['container:flotilla.uid-1']);
    assert.deepEqual(after(args, '--uts'), ['container:flotilla.uid-1']);
    assert.deepEqual(after(args, '--pull'), ['never']);
    assert.deepEqual(after(run({}, docker).args, '--uts'), []);
    assert.ok(after(args, '--label').includes('flotilla.dev/attempt=3'));
    assert.ok(after(args, '--label').includes('flotilla.dev/owner=me'));
  });

  test("a container of a pod on the host's network asks for that itself", () => {
    const onHost = { ...ours, sandbox: sandboxName({ podUid: 'uid-1', hostNetwork: true }) };
    const { args } = runContainerArguments(podman, container, onHost);
    assert.deepEqual(after(args, '--network'), ['host']);
    assert.deepEqual(after(args, '--ipc'), ['container:flotilla-host.uid-1']);
    assert.deepEqual(after(args, '--uts'), []);
  });

  test('limits are those of the pod, without swap; an engine that has none is not asked', () => {
    const resources = { cpuLimitMillis: 250, cpuRequestMillis: 500, memoryLimitBytes: 1_000_000 };
    const { args } = run({ resources });
    assert.deepEqual(after(args, '--cpus'), ['0.25']);
    assert.deepEqual(after(args, '--cpu-shares'), ['512']);
    assert.deepEqual(after(args, '--memory'), ['1000000']);
    assert.deepEqual(after(args, '--memory-swap'), ['1000000']);
    const without = run({ resources }, { ...podman, limitsCpu: false, limitsMemory: false }).args;
    assert.doesNotMatch(without.join(' '), /--cpu|--memory/);
    const guarded = { ...resources, pidsMax: 64, oomScoreAdjust: -997 };
    const { args: more } = run({ resources: guarded });
    assert.deepEqual([after(more, '--pids-limit'), after(more, '--oom-score-adj')], [['64'], ['-997']]);
    const less = run({ resources: guarded }, { ...podman, limitsPids: false, rootless: true }).args;
    assert.doesNotMatch(less.join(' '), /--pids|--oom/);
  });
});

suite('the rest of the command line', () => {
  test('a pod publishes its host ports, and only those', () => {
    const port = (hostPort: number, hostIp: string, protocol: 'TCP' | 'UDP') => ({
      containerPort: 80,
      hostPort,
      hostIp,
      protocol,
    });
    const ports = [
      port(8080, '', 'TCP'),
      port(53, '127.0.0.1', 'UDP'),
      port(1, '::1', 'TCP'),
      port(0, '', 'TCP'),
    ];
    assert.deepEqual(after(runSandboxArguments(podman, { ...pod, ports }, ours), '--publish'), [
      '8080:80/tcp',
      '127.0.0.1:53:80/udp',
      '[::1]:1:80/tcp',
    ]);
  });

  test("a pod on the host's network has no network or host name of its own", () => {
    const args = runSandboxArguments(podman, { ...pod, hostNetwork: true }, ours);
    assert.deepEqual(after(args, '--network'), ['host']);
    assert.deepEqual(after(args, '--hostname'), []);
  });

  test("a pod's labels cannot pretend to be ours", () => {
    const labels = { app: 'web', 'flotilla.dev/owner': 'somebody else' };
    const found = after(runSandboxArguments(podman, { ...pod, labels }, ours), '--label');
    assert.ok(found.includes('app=web'));
    assert.deepEqual(
      found.filter((label) => label?.startsWith('flotilla.dev/owner')),
      ['flotilla.dev/owner=me'],
    );
  });

  test('a fraction of a second of grace is a whole one, none is none', () => {
    assert.deepEqual(stopArguments('x', 1), ['stop', '-t', '1', 'x']);
    assert.deepEqual(stopArguments('x', 0), ['stop', '-t', '0', 'x']);
  });

  test('removing does not wait, in the words of each engine', () => {
    assert.deepEqual(removeArguments(podman, ['a', 'b']), [
      'rm',
      '--force',
      '--volumes',
      '-t',
      '0',
      'a',
      'b',
    ]);
    assert.deepEqual(removeArguments(docker, ['a']), ['rm', '--force', '--volumes', 'a']);
  });

  test('keys that would leave a shell behind are switched off', () => {
    const asked = { command: ['sh', '-c', 'x'], stdin: true, tty: true, mark: 'm' };
    assert.deepEqual(execArguments(podman, 'n', asked), [
      'exec',
      '--env',
      'FLOTILLA_EXEC=m',
      '--interactive',
      '--tty',
      '--detach-keys',
      '',
      'n',
      'sh',
      '-c',
      'x',
    ]);
    assert.deepEqual(execArguments(podman, 'n', { ...asked, stdin: false, tty: false }), [
      'exec',
      '--env',
      'FLOTILLA_EXEC=m',
      'n',
      'sh',
      '-c',
      'x',
    ]);
  });
});
