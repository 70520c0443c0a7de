import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event, Namespace, Node } from '../../../../protocol/generated/models.ts';
import { eventKind } from '../../../../protocol/kinds/event.ts';
import { leaseKind } from '../../../../protocol/kinds/lease.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../../../protocol/kinds/node.ts';
import { admit, faults, row, updateFaults } from './admit.ts';

test('a namespace bears its name as a label, is active and held until it is emptied', () => {
  assert.deepEqual(admit(namespaceKind, { metadata: { name: 'a', labels: { b: 'c' } } }), {
    metadata: { name: 'a', labels: { b: 'c', 'kubernetes.io/metadata.name': 'a' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  assert.match(faults(namespaceKind, { metadata: { name: 'a.b' } })[0] ?? '', /must not contain dots/);
});

test('only finalize lets go of a namespace', () => {
  const old: Namespace = admit(namespaceKind, { metadata: { name: 'a' } });
  const update = (subresource: string) => {
    const next: Namespace = {
      metadata: { name: 'a' },
      spec: { finalizers: [] },
      status: { phase: 'Terminating' },
    };
    namespaceKind.prepareUpdate?.(next, old, { subresource, now: 0 });
    return [next.spec?.finalizers, next.status?.phase];
  };
  assert.deepEqual(update(''), [['kubernetes'], 'Active']);
  assert.deepEqual(update('status'), [['kubernetes'], 'Terminating']);
  assert.deepEqual(update('finalize'), [[], 'Active']);
});

test('STATUS and ROLES of a node', () => {
  const node = (status: string | undefined, rest: Partial<Node> = {}): Node => ({
    metadata: { name: 'n' },
    ...rest,
    status: { conditions: status === undefined ? [] : [{ type: 'Ready', status }] },
  });
  assert.equal(row(nodeKind, node('True'))['Status'], 'Ready');
  assert.equal(row(nodeKind, node('False'))['Status'], 'NotReady');
  assert.equal(row(nodeKind, node('Unknown'))['Status'], 'NotReady');
  assert.equal(row(nodeKind, node(undefined))['Status'], 'Unknown');
  const cordoned = node('True', { spec: { unschedulable: true } });
  assert.equal(row(nodeKind, cordoned)['Status'], 'Ready,SchedulingDisabled');
  assert.equal(nodeKind.selectableFields['spec.unschedulable']?.(cordoned), 'true');
  const labels = {
    'node-role.kubernetes.io/worker': '',
    'node-role.kubernetes.io/edge': 'yes',
    'kubernetes.io/role': 'gateway',
    'node-role.kubernetes.io/': '',
  };
  assert.equal(row(nodeKind, { metadata: { name: 'n', labels } })['Roles'], 'edge,gateway,worker');
});

test('the wide columns of a node', () => {
  const cells = row(nodeKind, {
    metadata: { name: 'n' },
    status: {
      addresses: [
        { type: 'Hostname', address: 'n' },
        { type: 'InternalIP', address: '10.0.0.1' },
      ],
      nodeInfo: {
        osImage: 'Debian',
        kernelVersion: '6.1',
        containerRuntimeVersion: '',
        kubeletVersion: 'v1',
        architecture: '',
        bootID: '',
        kubeProxyVersion: '',
        machineID: '',
        operatingSystem: '',
        systemUUID: '',
      },
    },
  });
  const wide = nodeKind.columns.filter(({ priority }) => priority === 1).map(({ name }) => cells[name]);
  assert.deepEqual(wide, ['10.0.0.1', '<none>', 'Debian', '6.1', '<unknown>']);
  assert.equal(cells['Version'], 'v1');
});

test('taints are refused in the words of Kubernetes', () => {
  const node: Node = {
    metadata: { name: 'n' },
    spec: {
      taints: [
        { key: 'a', effect: 'Sometimes' },
        { key: 'b', effect: 'NoSchedule' },
        { key: 'b', effect: 'NoSchedule', value: 'x' },
      ],
    },
  };
  assert.deepEqual(faults(nodeKind, node), [
    'metadata.taints[0].effect: Unsupported value: "Sometimes": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    'metadata.taints[2]: Duplicate value: {"Key":"b","Value":"x","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
  ]);
});

test('a node keeps its provider', () => {
  const old: Node = { metadata: { name: 'n' }, spec: { providerID: 'a' } };
  const found = updateFaults(nodeKind, old, (next) => {
    next.spec = { providerID: 'b' };
  });
  assert.deepEqual(found, [
    'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
  ]);
});

const now = Date.parse('2026-01-31T12:00:00Z');
const event = (rest: Partial<Event>): Event => ({
  metadata: { name: 'e', namespace: 'here' },
  involvedObject: { kind: 'Pod', name: 'p', namespace: 'here' },
  ...rest,
});

test('an event shows when, how often, what and who', () => {
  const cells = row(
    eventKind,
    event({
      type: 'Warning',
      reason: 'BackOff',
      message: ' again \n',
      count: 4,
      firstTimestamp: '2026-01-31T11:00:00Z',
      lastTimestamp: '2026-01-31T11:59:00Z',
      source: { component: 'agent', host: 'n1' },
      involvedObject: { kind: 'Pod', name: 'p', namespace: 'here', fieldPath: 'spec.containers{a}' },
    }),
    now,
  );
  assert.deepEqual(cells, {
    'Last Seen': '60s',
    Type: 'Warning',
    Reason: 'BackOff',
    Object: 'pod/p',
    Subobject: 'spec.containers{a}',
    Source: 'agent, n1',
    Message: 'again',
    'First Seen': '60m',
    Count: 4,
    Name: 'e',
  });
});

test('events of the newer form show the same', () => {
  const cells = row(
    eventKind,
    event({
      eventTime: '2026-01-31T11:50:00.000000Z',
      series: { count: 3, lastObservedTime: '2026-01-31T11:58:00.000000Z' },
      reportingComponent: 'scheduler',
    }),
    now,
  );
  assert.deepEqual(
    [cells['Last Seen'], cells['First Seen'], cells['Count'], cells['Source']],
    ['2m', '10m', 3, 'scheduler'],
  );
  assert.equal(row(eventKind, event({}), now)['Count'], 1);
});

test('an event lives in the namespace of what it is about', () => {
  assert.deepEqual(faults(eventKind, event({ involvedObject: { kind: 'Pod', namespace: 'there' } })), [
    'involvedObject.namespace: Invalid value: "there": does not match event.namespace',
  ]);
  const aboutNode = event({ involvedObject: { kind: 'Node', name: 'n' } });
  aboutNode.metadata.namespace = 'default';
  assert.deepEqual(faults(eventKind, aboutNode), []);
});

test('a lease has a positive duration; older clients let go of one by naming nobody', () => {
  const lease = (spec: object) => faults(leaseKind, { metadata: { name: 'l', namespace: 'here' }, spec });
  assert.deepEqual(lease({ holderIdentity: 'a', leaseDurationSeconds: 10, leaseTransitions: 0 }), []);
  assert.deepEqual(lease({ holderIdentity: '', leaseDurationSeconds: 0, leaseTransitions: -1 }), [
    'spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0',
    'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
  ]);
});
