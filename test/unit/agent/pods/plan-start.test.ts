import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { container, findStep, PodLife, pod, success } from './plan-cases.ts';

suite('starting a pod', () => {
  test('the sandbox and all images come at the same time, then the containers', () => {
    const life = new PodLife(pod({ containers: [container('a'), container('b')] }));
    assert.deepEqual(life.steps(), ['create sandbox', 'pull a:1 IfNotPresent', 'pull b:1 IfNotPresent']);
    for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(life.steps(), ['run a-0', 'run b-0']);
  });

  test('nothing is planned for what is under way', () => {
    const life = new PodLife(pod());
    life.begin();
    assert.deepEqual(life.steps(), []);
  });

  test('a container starts as soon as its own image is there, whatever the others wait for', () => {
    const life = new PodLife(pod({ containers: [container('a'), container('b')] }));
    const [create, pullA] = life.begin();
    assert.ok(create && pullA);
    life.on(success(create, life.now), success(pullA, life.now));
    assert.deepEqual(life.steps(), ['run a-0']);
  });

  test('a running pod plans nothing and needs no waking', () => {
    const life = new PodLife(pod()).settle();
    assert.deepEqual(life.plan(), { steps: [], abandon: [], waiting: {}, replace: [], removed: false });
  });

  test('a driver without images pulls none', () => {
    const life = new PodLife(pod());
    life.context = { ...life.context, pullsImages: () => false };
    assert.deepEqual(life.steps(), ['create sandbox']);
    assert.deepEqual(life.settle().status().phase, 'Running');
  });

  test('the container gets command, args, limits and the pod names', () => {
    const app = container('app', {
      command: ['/bin/$(NAME)'],
      args: ['--port=$(PORT)', '$$(PORT)'],
      env: [
        { name: 'NAME', value: 'serve' },
        { name: 'PORT', value: '80' },
      ],
      workingDir: '/srv',
      resources: { limits: { cpu: '1500m', memory: '64Mi' } },
    });
    const life = new PodLife(pod({ containers: [app] }));
    for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(findStep(life, 'runContainer').spec, {
      podUid: 'u1',
      namespace: 'ns',
      pod: 'web',
      container: 'app',
      attempt: 0,
      image: 'app:1',
      command: ['/bin/serve'],
      args: ['--port=80', '$(PORT)'],
      workingDir: '/srv',
      environment: { HOSTNAME: 'web', NAME: 'serve', PORT: '80' },
      mounts: [],
      security: {},
      resources: {
        cpuLimitMillis: 1500,
        cpuRequestMillis: 1500,
        memoryLimitBytes: 64 * 2 ** 20,
        memoryMinBytes: 64 * 2 ** 20,
        oomScoreAdjust: -997,
      },
      tty: false,
      stdin: false,
      terminationMessagePath: '/dev/termination-log',
    });
  });

  test('only ports with a host port are published, none on the host network', () => {
    const ports = [{ containerPort: 80, hostPort: 8080 }, { containerPort: 90 }];
    const life = new PodLife(pod({ containers: [container('app', { ports })] }));
    const published = [{ containerPort: 80, hostPort: 8080, protocol: 'TCP', hostIp: '' }];
    assert.deepEqual(findStep(life, 'createSandbox').spec.ports, published);
    const onHost = new PodLife(pod({ hostNetwork: true, containers: [container('app', { ports })] }));
    const { spec } = findStep(onHost, 'createSandbox');
    assert.deepEqual([spec.ports, spec.hostname], [[], 'node1']);
  });

  test('a failed sandbox is tried again after its back-off and shows why', () => {
    const life = new PodLife(pod());
    const [create] = life.begin();
    assert.ok(create);
    life.on({ type: 'failed', step: create, code: 'CreatePodSandboxError', message: 'port in use' });
    assert.equal(life.plan().wakeAtMs, life.now.monotonicMs + 10_000);
    assert.deepEqual(life.waiting('app'), {
      reason: 'ContainerCreating',
      message: 'CreatePodSandboxError: port in use',
    });
    life.advance(10_000);
    assert.deepEqual(life.steps(), ['create sandbox']);
  });
});

suite('init containers', () => {
  const withInit = () =>
    new PodLife(
      pod({ initContainers: [container('one'), container('two')], containers: [container('app')] }),
    );

  test('they run one after the other, then the app containers', () => {
    const life = withInit().settle();
    assert.deepEqual(Object.keys(life.state.record.containers), ['one']);
    life.exit('one', 0);
    assert.deepEqual(life.steps(), ['run two-0']);
    life.settle().exit('two', 0);
    assert.deepEqual(life.steps(), ['run app-0']);
    assert.equal(life.settle().status().phase, 'Running');
  });

  test('until then the others wait as PodInitializing and the pod is Pending', () => {
    const life = withInit().settle();
    assert.equal(life.status().phase, 'Pending');
    assert.deepEqual(life.waiting('two'), { reason: 'PodInitializing' });
    assert.deepEqual(life.waiting('app'), { reason: 'PodInitializing' });
    const condition = life.condition('Initialized');
    assert.deepEqual(
      [condition?.status, condition?.reason, condition?.message],
      ['False', 'ContainersNotInitialized', 'containers with incomplete status: [one two]'],
    );
  });

  test('a failing one is retried with back-off unless the pod never restarts', () => {
    const life = withInit().settle().exit('one', 1);
    assert.deepEqual(life.steps(), ['run one-1']);
    life.settle().exit('one', 1);
    assert.deepEqual(life.steps(), []);
    assert.equal(life.waiting('one')?.reason, 'CrashLoopBackOff');
  });

  test('with restartPolicy Never a failed one fails the pod', () => {
    const spec = { restartPolicy: 'Never', initContainers: [container('one')] };
    const life = new PodLife(pod(spec)).settle().exit('one', 3);
    assert.deepEqual(life.steps(), ['stop sandbox']);
    assert.equal(life.status().phase, 'Failed');
    assert.deepEqual(life.waiting('app'), { reason: 'PodInitializing' });
  });

  test('a completed one is ready, and stays completed', () => {
    const life = withInit().settle().exit('one', 0).settle().exit('two', 0).settle();
    const status = life.containerStatus('one');
    assert.deepEqual([status.ready, status.restartCount], [true, 0]);
    assert.equal(status.state?.terminated?.reason, 'Completed');
    assert.equal(life.condition('Initialized')?.status, 'True');
  });
});

suite('configuration', () => {
  test('a missing ConfigMap keeps the container waiting and needs no waking', () => {
    const env = [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'conf', key: 'a' } } }];
    const life = new PodLife(pod({ containers: [container('app', { env })] }));
    for (const step of life.begin()) life.on(success(step, life.now));
    assert.deepEqual(life.steps(), []);
    assert.equal(life.plan().wakeAtMs, undefined);
    assert.deepEqual(life.waiting('app'), {
      reason: 'CreateContainerConfigError',
      message: 'configmap "conf" not found',
    });
    const { sources } = life.context;
    life.context = { ...life.context, sources: { ...sources, configMap: () => ({ data: { a: '1' } }) } };
    assert.deepEqual(findStep(life, 'runContainer').spec.environment['A'], '1');
  });
});
