import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { ContainerStatus, Pod } from '../../../../protocol/generated/models.ts';
import { podKind } from '../../../../protocol/kinds/pod.ts';
import { row } from './admit.ts';

const now = Date.parse('2026-01-31T12:00:00Z');

const status = (name: string, rest: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name,
  image: 'a',
  imageID: '',
  ready: false,
  restartCount: 0,
  ...rest,
});
const running = (name: string) => status(name, { ready: true, started: true, state: { running: {} } });
const waiting = (name: string, reason: string) => status(name, { state: { waiting: { reason } } });
const exited = (name: string, exitCode: number, reason?: string, signal?: number) =>
  status(name, {
    state: { terminated: { exitCode, ...(reason && { reason }), ...(signal && { signal }) } },
  });

function pod(parts: {
  phase: string;
  containers?: ContainerStatus[];
  init?: ContainerStatus[];
  sidecars?: string[];
  status?: Pod['status'];
  metadata?: Pod['metadata'];
}): Pod {
  const { containers = [], init = [], sidecars = [] } = parts;
  return {
    metadata: { name: 'p', ...parts.metadata },
    spec: {
      containers: (containers.length === 0 ? [status('a')] : containers).map(({ name }) => ({ name })),
      initContainers: init.map(({ name }) => ({
        name,
        ...(sidecars.includes(name) && { restartPolicy: 'Always' }),
      })),
    },
    status: {
      phase: parts.phase,
      containerStatuses: containers,
      initContainerStatuses: init,
      ...parts.status,
    },
  };
}

const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
const initialized = { conditions: [{ type: 'Initialized', status: 'True' }] };

const pictures: [string, Pod, string, string][] = [
  ['waiting for a node', pod({ phase: 'Pending' }), '0/1', 'Pending'],
  [
    'pulling',
    pod({ phase: 'Pending', containers: [waiting('a', 'ContainerCreating')] }),
    '0/1',
    'ContainerCreating',
  ],
  [
    'no such image',
    pod({ phase: 'Pending', containers: [waiting('a', 'ImagePullBackOff')] }),
    '0/1',
    'ImagePullBackOff',
  ],
  [
    'running',
    pod({ phase: 'Running', containers: [running('a'), running('b')], status: ready }),
    '2/2',
    'Running',
  ],
  [
    'crashing',
    pod({ phase: 'Running', containers: [waiting('a', 'CrashLoopBackOff')] }),
    '0/1',
    'CrashLoopBackOff',
  ],
  ['done', pod({ phase: 'Succeeded', containers: [exited('a', 0, 'Completed')] }), '0/1', 'Completed'],
  ['failed', pod({ phase: 'Failed', containers: [exited('a', 3)] }), '0/1', 'ExitCode:3'],
  ['killed', pod({ phase: 'Failed', containers: [exited('a', 137, undefined, 9)] }), '0/1', 'Signal:9'],
  [
    'one done, one running, ready',
    pod({ phase: 'Running', containers: [exited('a', 0, 'Completed'), running('b')], status: ready }),
    '1/2',
    'Running',
  ],
  [
    'one done, one running, not ready',
    pod({ phase: 'Running', containers: [exited('a', 0, 'Completed'), running('b')] }),
    '1/2',
    'NotReady',
  ],
  ['evicted', pod({ phase: 'Failed', status: { reason: 'Evicted' } }), '0/1', 'Evicted'],
  [
    'gated',
    pod({
      phase: 'Pending',
      status: { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
    }),
    '0/1',
    'SchedulingGated',
  ],
  [
    'initializing',
    pod({ phase: 'Pending', init: [exited('i', 0), waiting('j', 'PodInitializing')] }),
    '0/1',
    'Init:1/2',
  ],
  [
    'init crashing',
    pod({ phase: 'Pending', init: [waiting('i', 'CrashLoopBackOff')] }),
    '0/1',
    'Init:CrashLoopBackOff',
  ],
  ['init failed', pod({ phase: 'Pending', init: [exited('i', 2, 'Error')] }), '0/1', 'Init:Error'],
  ['init killed', pod({ phase: 'Pending', init: [exited('i', 137, undefined, 9)] }), '0/1', 'Init:Signal:9'],
  [
    'with a sidecar',
    pod({
      phase: 'Running',
      init: [running('s')],
      sidecars: ['s'],
      containers: [running('a')],
      status: initialized,
    }),
    '2/2',
    'Running',
  ],
  [
    'being deleted',
    pod({
      phase: 'Running',
      containers: [running('a')],
      metadata: { deletionTimestamp: '2026-01-31T11:00:00Z' },
    }),
    '1/1',
    'Terminating',
  ],
  [
    'done and being deleted',
    pod({
      phase: 'Succeeded',
      containers: [exited('a', 0, 'Completed')],
      metadata: { deletionTimestamp: '2026-01-31T11:00:00Z' },
    }),
    '0/1',
    'Completed',
  ],
  [
    'lost with its node and being deleted',
    pod({
      phase: 'Running',
      status: { reason: 'NodeLost' },
      metadata: { deletionTimestamp: '2026-01-31T11:00:00Z' },
    }),
    '0/1',
    'Unknown',
  ],
];

suite('READY and STATUS of a pod', () => {
  for (const [name, object, readyText, statusText] of pictures) {
    test(name, () => {
      const cells = row(podKind, object, now);
      assert.deepEqual([cells['Ready'], cells['Status']], [readyText, statusText]);
    });
  }
});

test('RESTARTS counts, and says when the last one was', () => {
  const restarted = (name: string, restartCount: number, finishedAt: string) => ({
    ...running(name),
    restartCount,
    lastState: { terminated: { exitCode: 1, finishedAt } },
  });
  const object = pod({
    phase: 'Running',
    containers: [restarted('a', 2, '2026-01-31T11:00:00Z'), restarted('b', 1, '2026-01-31T11:55:00Z')],
  });
  assert.equal(row(podKind, object, now)['Restarts'], '3 (5m ago)');
  assert.equal(row(podKind, pod({ phase: 'Running', containers: [running('a')] }), now)['Restarts'], '0');
  const initializing = pod({ phase: 'Pending', init: [restarted('i', 4, '2026-01-31T11:59:00Z')] });
  assert.equal(row(podKind, initializing, now)['Restarts'], '4 (60s ago)');
});

test('the wide columns of a pod', () => {
  const object: Pod = {
    metadata: { name: 'p', creationTimestamp: '2026-01-28T08:00:00Z' },
    spec: { containers: [], nodeName: 'n', readinessGates: [{ conditionType: 'x' }, { conditionType: 'y' }] },
    status: { podIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'x', status: 'True' }] },
  };
  const cells = row(podKind, object, now);
  assert.deepEqual(
    [cells['Age'], cells['IP'], cells['Node'], cells['Nominated Node'], cells['Readiness Gates']],
    ['3d4h', '10.0.0.1', 'n', '<none>', '1/2'],
  );
});
