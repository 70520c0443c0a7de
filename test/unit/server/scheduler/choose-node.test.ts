import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Node, Pod, PodSpec } from '../../../../protocol/generated/models.ts';
import { namedNodes } from '../../../../protocol/node-selection.ts';
import { addRefusal } from '../../../../server/registry/refusals.ts';
import { chooseNode, explainNone } from '../../../../server/scheduler/choose-node.ts';
import {
  createNodeState,
  type NodeState,
  placePod,
  removePod,
  updateNode,
} from '../../../../server/scheduler/node-state.ts';
import { liveRefusals, podRequest } from '../../../../server/scheduler/pod-request.ts';
import { schedulingWorld } from './scheduling-world.ts';

interface NodeFacts {
  cpu?: string;
  memory?: string;
  pods?: string;
  labels?: Record<string, string>;
  taints?: { key: string; value?: string; effect: string }[];
  ready?: string;
  unschedulable?: boolean;
}

function node(name: string, facts: NodeFacts = {}): NodeState {
  const object: Node = {
    metadata: { name, uid: name, labels: facts.labels ?? {} },
    spec: {
      ...(facts.taints ? { taints: facts.taints } : {}),
      ...(facts.unschedulable ? { unschedulable: true } : {}),
    },
    status: {
      allocatable: { cpu: facts.cpu ?? '4', memory: facts.memory ?? '4Gi', pods: facts.pods ?? '110' },
      conditions: [{ type: 'Ready', status: facts.ready ?? 'True' }],
    },
  };
  const state = createNodeState(name);
  updateNode(state, object, 0);
  return state;
}

let serial = 0;
function pod(requests: Record<string, string> = {}, spec: Partial<PodSpec> = {}): Pod {
  serial += 1;
  return {
    metadata: { name: `p${serial}`, namespace: 'default', uid: `p${serial}` },
    spec: { containers: [{ name: 'c', image: 'i', resources: { requests } }], ...spec },
  };
}

const world = await schedulingWorld();
after(() => world[Symbol.asyncDispose]());
const ring = (nodes: NodeState[]) => ({
  nodes,
  nodeNamed: (name: string) => nodes.find((state) => state.name === name),
});
const choose = (object: Pod, nodes: NodeState[], start = 0, nowMs = 0) =>
  chooseNode(world.judges(podRequest(object, liveRefusals(object, nowMs))), ring(nodes), start);
const chosen = (object: Pod, nodes: NodeState[], start = 0) => {
  const choice = choose(object, nodes, start);
  return choice.type === 'node' ? choice.node.name : explainNone(choice);
};

test('a pod goes where its requests fit, and the emptier of two nodes is better', () => {
  const [full, half, empty] = [node('full', { cpu: '1' }), node('half'), node('empty')];
  placePod(half, podRequest(pod({ cpu: '2' })));
  assert.equal(chosen(pod({ cpu: '1500m' }), [full, half, empty]), 'empty');
});

test('capacity is never passed: what is placed counts until it is taken away', () => {
  const only = node('only', { cpu: '1' });
  const first = podRequest(pod({ cpu: '600m' }));
  placePod(only, first);
  assert.equal(chosen(pod({ cpu: '600m' }), [only]), '0/1 nodes are available: 1 Insufficient cpu.');
  removePod(only, first.uid);
  assert.equal(chosen(pod({ cpu: '600m' }), [only]), 'only');
  assert.equal(only.requested.cpu, 0);
});

test('why a pod fits nowhere is told as Kubernetes tells it', () => {
  const nodes = [
    node('a', { memory: '1Gi' }),
    node('b', { memory: '1Gi' }),
    node('c', { taints: [{ key: 'site', value: 'barn', effect: 'NoSchedule' }] }),
    node('d', { unschedulable: true }),
    node('e', { ready: 'Unknown' }),
    node('f', { pods: '0' }),
  ];
  assert.equal(
    chosen(pod({ memory: '2Gi' }), nodes),
    '0/6 nodes are available: 1 Too many pods, 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }, ' +
      '1 node(s) had untolerated taint {site: barn}, 1 node(s) were unschedulable, 2 Insufficient memory.',
  );
  assert.equal(chosen(pod(), []), 'no nodes available to schedule pods');
});

test('node selector and required affinity choose by label, preferred affinity by weight', () => {
  const nodes = [
    node('x64', { labels: { arch: 'amd64' } }),
    node('pi', { labels: { arch: 'arm64', site: 'barn' } }),
  ];
  assert.equal(chosen(pod({}, { nodeSelector: { arch: 'arm64' } }), nodes), 'pi');
  const required = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: 'site', operator: 'DoesNotExist' }] }],
      },
    },
  };
  assert.equal(chosen(pod({}, { affinity: required }), nodes), 'x64');
  const preferred = {
    nodeAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 50, preference: { matchExpressions: [{ key: 'site', operator: 'In', values: ['barn'] }] } },
      ],
    },
  };
  assert.equal(chosen(pod({}, { affinity: preferred }), nodes), 'pi');
});

test('a pod goes to a node that is not ready, cordoned or silent only when it tolerates that', () => {
  const nodes = [node('silent', { ready: 'Unknown' }), node('unwell', { ready: 'False' })];
  const tolerating = (key: string) =>
    pod({}, { tolerations: [{ key, operator: 'Exists', effect: 'NoSchedule' }] });
  assert.equal(chosen(tolerating('node.kubernetes.io/unreachable'), nodes), 'silent');
  assert.equal(chosen(tolerating('node.kubernetes.io/not-ready'), nodes), 'unwell');
  const cordoned = [node('cordoned', { unschedulable: true })];
  assert.match(chosen(tolerating('node.kubernetes.io/not-ready'), cordoned), /unschedulable/);
  assert.equal(chosen(tolerating('node.kubernetes.io/unschedulable'), cordoned), 'cordoned');
  assert.equal(chosen(pod({}, { tolerations: [{ operator: 'Exists' }] }), cordoned), 'cordoned');
});

test('a device that refused the pod is asked again when the refusal has ended or the device has changed', () => {
  const refused = pod();
  addRefusal(refused, 'a', 1_000);
  const placed = (nodes: NodeState[], nowMs: number) => choose(refused, nodes, 0, nowMs);
  const [a, b] = [node('a'), node('b', { unschedulable: true })];
  const choice = placed([a, b], 2_000);
  assert.equal(choice.type === 'none' && choice.reasons.get('node(s) refused the pod'), 1);
  assert.equal(placed([a, b], 31_000).type, 'node');
  const allocatable = { cpu: '8', memory: '8Gi', pods: '110' };
  const changed = { ...a.node, status: { ...a.node?.status, allocatable } };
  updateNode(a, changed, 3_000);
  assert.equal(placed([a, b], 4_000).type, 'node');
  addRefusal(refused, 'a', 5_000);
  assert.equal(placed([a, b], 60_000).type, 'none', 'the second refusal holds for longer');
});

test('a host port is given once per node and address', () => {
  const ports = (hostPort: number, hostIP?: string) => ({
    containers: [
      { name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort, ...(hostIP ? { hostIP } : {}) }] },
    ],
  });
  const only = node('only');
  placePod(only, podRequest(pod({}, ports(80))));
  assert.match(chosen(pod({}, ports(80)), [only]), /free ports/);
  assert.match(chosen(pod({}, ports(80, '10.0.0.1')), [only]), /free ports/);
  assert.equal(chosen(pod({}, ports(81)), [only]), 'only');
});

test('equal nodes are taken in turn as the start moves', () => {
  const nodes = [node('a'), node('b'), node('c')];
  assert.deepEqual(
    [0, 1, 2].map((start) => chosen(pod(), nodes, start)),
    ['a', 'b', 'c'],
  );
});

test('a pod needs its largest init container or the sum of the others, sidecars beside both', () => {
  const request = podRequest(
    pod(
      { cpu: '1' },
      {
        overhead: { cpu: '100m' },
        initContainers: [
          { name: 'side', image: 'i', restartPolicy: 'Always', resources: { requests: { cpu: '500m' } } },
          { name: 'init', image: 'i', resources: { requests: { cpu: '2' } } },
        ],
      },
    ),
  );
  assert.equal(request.requests.cpu, 2600);
});

test('a pod that names its nodes is tried on these alone, with the words of a look at all', () => {
  const term = (name: string) => ({
    matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }],
  });
  const affine = (...terms: object[]): Partial<PodSpec> => ({
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: terms } },
    },
  });
  assert.deepEqual(namedNodes(pod({}, affine(term('b'), term('c'))).spec), ['b', 'c']);
  const anywhere = { matchExpressions: [{ key: 'k', operator: 'Exists' }] };
  assert.equal(namedNodes(pod({}, affine(term('b'), anywhere)).spec), undefined);
  const fleet = [node('a'), node('b', { cpu: '1' }), node('c')];
  const looked: string[] = [];
  const watched = {
    nodes: fleet,
    nodeNamed: (name: string) => (looked.push(name), ring(fleet).nodeNamed(name)),
  };
  const told = (cpu: string) => {
    const choice = chooseNode(world.judges(podRequest(pod({ cpu }, affine(term('b'))))), watched, 0);
    return choice.type === 'node' ? choice.node.name : explainNone(choice);
  };
  assert.equal(told('1'), 'b');
  assert.equal(
    told('2'),
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node affinity/selector.",
  );
  assert.deepEqual(looked, ['b', 'b']);
});
