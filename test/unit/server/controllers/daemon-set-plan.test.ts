import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { DaemonSet, Node, Pod, Taint } from '../../../../protocol/generated/models.ts';
import { buildPod, targetNode } from '../../../../server/controllers/daemon-set/node-fit.ts';
import { type DaemonSetPlan, planDaemonSet } from '../../../../server/controllers/daemon-set/plan.ts';

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();

interface SetFacts {
  maxUnavailable?: number | string;
  maxSurge?: number | string;
  onDelete?: boolean;
  deleting?: boolean;
  minReadySeconds?: number;
}

function daemonSet(facts: SetFacts = {}): DaemonSet {
  const { maxUnavailable = 1, maxSurge = 0, onDelete, deleting, minReadySeconds } = facts;
  return {
    metadata: {
      name: 'ds',
      namespace: 'default',
      uid: 'ds',
      ...(deleting ? { deletionTimestamp: at(1) } : {}),
    },
    spec: {
      selector: { matchLabels: { app: 'ds' } },
      template: {
        metadata: { labels: { app: 'ds' } },
        spec: { containers: [], nodeSelector: { on: 'yes' } },
      },
      updateStrategy: onDelete
        ? { type: 'OnDelete' }
        : { type: 'RollingUpdate', rollingUpdate: { maxUnavailable, maxSurge } },
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
    },
  };
}

function node(name: string, facts: { silent?: boolean; off?: boolean; taints?: Taint[] } = {}): Node {
  const silence: Taint[] = facts.silent
    ? [{ key: 'node.kubernetes.io/unreachable', effect: 'NoSchedule' }]
    : [];
  return {
    metadata: { name, uid: name, labels: facts.off ? {} : { on: 'yes' } },
    spec: { taints: [...silence, ...(facts.taints ?? [])] },
    status: { conditions: [{ type: 'Ready', status: facts.silent ? 'Unknown' : 'True' }] },
  };
}

interface PodFacts {
  hash?: string;
  ready?: boolean;
  started?: boolean;
  deleting?: boolean;
  phase?: string;
  name?: string;
}

function pod(on: string, facts: PodFacts = {}): Pod {
  const { hash = 'new', ready = true, started = true, deleting, phase = 'Running' } = facts;
  const built = buildPod(daemonSet(), on, hash);
  const name = facts.name ?? `${on}-${hash}`;
  return {
    ...built,
    metadata: {
      ...built.metadata,
      name,
      uid: name,
      creationTimestamp: at(100),
      ...(deleting ? { deletionTimestamp: at(1) } : {}),
    },
    spec: { ...built.spec, containers: [], nodeName: on },
    status: {
      phase,
      ...(started ? { startTime: at(90) } : {}),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: at(60) }],
    },
  };
}

const plan = (set: DaemonSet, nodes: Node[], pods: Pod[]): DaemonSetPlan =>
  planDaemonSet(set, { nodes, pods, hash: 'new', nowMs: now });
const removed = ({ remove }: DaemonSetPlan) => remove.map(({ metadata }) => metadata?.name);

suite('where the pods of a DaemonSet belong', () => {
  test('each node that fits gets one, by an affinity to its name and with what keeps it there in trouble', () => {
    const nodes = [
      node('a'),
      node('b', { off: true }),
      node('c', { taints: [{ key: 'k', effect: 'NoSchedule' }] }),
    ];
    assert.deepEqual(plan(daemonSet(), nodes, []).create, ['a']);
    const built = buildPod(daemonSet(), 'a', 'h');
    assert.equal(targetNode(built), 'a');
    assert.equal(built.metadata?.labels?.['controller-revision-hash'], 'h');
    const tolerated = built.spec?.tolerations?.map(({ key, effect }) => `${key?.split('/')[1]}:${effect}`);
    assert.deepEqual(tolerated, [
      'not-ready:NoExecute',
      'unreachable:NoExecute',
      'disk-pressure:NoSchedule',
      'memory-pressure:NoSchedule',
      'pid-pressure:NoSchedule',
      'unschedulable:NoSchedule',
    ]);
  });

  test('a cordoned node runs it; a taint against new pods lets it stay, one against any takes it away', () => {
    const cordon: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };
    assert.deepEqual(plan(daemonSet(), [node('a', { taints: [cordon] })], []).create, ['a']);
    const soft = plan(daemonSet(), [node('a', { taints: [{ key: 'k', effect: 'NoSchedule' }] })], [pod('a')]);
    assert.deepEqual(removed(soft), []);
    assert.equal(soft.status.numberMisscheduled, 1);
    const hard = plan(daemonSet(), [node('a', { taints: [{ key: 'k', effect: 'NoExecute' }] })], [pod('a')]);
    assert.deepEqual(removed(hard), ['a-new']);
  });

  test('of two on a node the younger goes; a pod that waits for a node which is gone goes too', () => {
    const second = pod('a', { name: 'z' });
    const lost = pod('gone');
    delete lost.spec?.nodeName;
    assert.deepEqual(removed(plan(daemonSet(), [node('a')], [second, pod('a'), lost])).sort(), [
      'gone-new',
      'z',
    ]);
  });

  test('what ended is replaced; a DaemonSet that is being deleted does nothing', () => {
    const ended = plan(daemonSet(), [node('a')], [pod('a', { phase: 'Failed' })]);
    assert.equal(ended.ended.length, 1);
    const quiet = plan(
      daemonSet({ deleting: true }),
      [node('a'), node('b')],
      [pod('a', { phase: 'Failed' })],
    );
    assert.deepEqual([quiet.create, quiet.remove, quiet.ended], [[], [], []]);
  });
});

suite('an update of a DaemonSet', () => {
  const nodes = ['a', 'b', 'c', 'd'].map((name) => node(name));
  const old = (name: string, more: PodFacts = {}) => pod(name, { hash: 'old', ...more });

  test('takes away as many as may be unavailable, what is broken first and for nothing', () => {
    assert.equal(
      plan(
        daemonSet({ maxUnavailable: '50%' }),
        nodes,
        nodes.map((n) => old(n.metadata?.name ?? '')),
      ).remove.length,
      2,
    );
    const broken = [old('a'), old('b', { ready: false }), old('c'), pod('d', { ready: false })];
    assert.deepEqual(removed(plan(daemonSet(), nodes, broken)), ['b-old']);
  });

  test('waits for a pod on its way out, and makes the new one only when it is gone', () => {
    const pods = [old('a', { deleting: true }), old('b'), old('c'), old('d')];
    const waiting = plan(daemonSet(), nodes, pods);
    assert.deepEqual([waiting.create, removed(waiting)], [[], []]);
    assert.deepEqual(plan(daemonSet(), nodes, pods.slice(1)).create, ['a']);
  });

  test('with OnDelete replaces nothing that runs', () => {
    const pods = nodes.map(({ metadata }) => old(metadata?.name ?? ''));
    assert.deepEqual(removed(plan(daemonSet({ onDelete: true }), nodes, pods)), []);
  });

  test('with surge makes the new pod first, and takes the old one when the new is available', () => {
    const surging = daemonSet({ maxSurge: 1, maxUnavailable: 0 });
    const pods = ['a', 'b', 'c', 'd'].map((name) => old(name));
    const first = plan(surging, nodes, pods);
    assert.deepEqual([first.create, removed(first)], [['a'], []]);
    const unready = plan(surging, nodes, [...pods, pod('a', { ready: false })]);
    assert.deepEqual([unready.create, removed(unready)], [[], []]);
    assert.deepEqual(removed(plan(surging, nodes, [...pods, pod('a')])), ['a-old']);
  });

  test('leaves a silent device alone, counts it nowhere, and goes on without it', () => {
    const fleet = [node('a', { silent: true }), node('b'), node('c', { silent: true })];
    const step = plan(daemonSet(), fleet, [old('a'), old('b')]);
    assert.deepEqual([step.create, removed(step)], [[], ['b-old']]);
    assert.equal(step.status.desiredNumberScheduled, 1);
    assert.equal(step.status.numberMisscheduled, 0);
  });

  test('a device that took the newest pod and fell silent before it was ready has failed, and holds the update', () => {
    const fleet = [node('a', { silent: true }), node('b')];
    const failed = plan(daemonSet(), fleet, [pod('a', { ready: false }), old('b')]);
    assert.deepEqual(removed(failed), []);
    assert.deepEqual([failed.status.desiredNumberScheduled, failed.status.numberUnavailable], [2, 1]);
    // It never took it: pending. It was ready when it was heard last: presumed to be still.
    for (const pending of [pod('a', { ready: false, started: false }), pod('a')])
      assert.deepEqual(removed(plan(daemonSet(), fleet, [pending, old('b')])), ['b-old']);
  });

  test('never has more pods on a node than its surge, nor fewer available than its maximum, and comes to its end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.constantFrom<SetFacts>(
          { maxUnavailable: 1 },
          { maxUnavailable: 3 },
          { maxUnavailable: '30%' },
          { maxSurge: 2, maxUnavailable: 0 },
        ),
        fc.array(fc.nat({ max: 999 }), { maxLength: 60 }),
        (size, facts, choices) => new Update(size, facts).run(choices),
      ),
      { numRuns: 50 },
    );
  });
});

/** Nodes that do what they are told, each in its own time; some fall silent and come back. */
class Update {
  readonly #set: DaemonSet;
  readonly #surge: boolean;
  readonly #limit: number;
  readonly #silent = new Set<string>();
  readonly #names: string[];
  #pods: Pod[];
  #made = 0;

  constructor(size: number, facts: SetFacts) {
    this.#set = daemonSet(facts);
    this.#surge = facts.maxSurge !== undefined;
    const { maxUnavailable = 1 } = facts;
    this.#limit = typeof maxUnavailable === 'number' ? maxUnavailable : Math.ceil(0.3 * size);
    this.#names = Array.from({ length: size }, (_, index) => `n${index}`);
    this.#pods = this.#names.map((name) => pod(name, { hash: 'old' }));
  }

  run(choices: readonly number[]): void {
    for (const choice of choices) {
      this.#happen(choice);
      this.#plan();
    }
    this.#silent.clear();
    for (let round = 0; round < 20 * this.#names.length; round += 1) {
      this.#pods.slice().forEach((_, index) => this.#happen(index * 3));
      this.#plan();
    }
    assert.deepEqual(
      this.#pods.map(({ metadata }) => metadata?.labels?.['controller-revision-hash']),
      this.#names.map(() => 'new'),
    );
  }

  #happen(choice: number): void {
    const name = this.#names[choice % this.#names.length] ?? '';
    if (choice % 3 === 1) {
      if (!this.#silent.delete(name)) this.#silent.add(name);
      return;
    }
    const one = this.#pods[Math.floor(choice / 3) % Math.max(1, this.#pods.length)];
    if (!one || this.#silent.has(one.spec?.nodeName ?? '')) return;
    if (one.metadata?.deletionTimestamp) this.#pods = this.#pods.filter((other) => other !== one);
    else Object.assign(one, { status: pod('x', { ready: choice % 5 !== 0 || choice < 100 }).status });
  }

  #plan(): void {
    const nodes = this.#names.map((name) => node(name, { silent: this.#silent.has(name) }));
    const step = plan(this.#set, nodes, this.#pods);
    const taken = step.remove.filter((one) => this.#isAvailable(one)).map(({ spec }) => spec?.nodeName ?? '');
    for (const { metadata } of step.remove) if (metadata) metadata.deletionTimestamp = at(0);
    for (const name of step.create)
      this.#pods.push(pod(name, { ready: false, started: false, name: `${name}-${(this.#made += 1)}` }));
    this.#check(taken);
  }

  #isAvailable({ metadata, status }: Readonly<Pod>): boolean {
    return !metadata?.deletionTimestamp && status?.conditions?.[0]?.status === 'True';
  }

  #check(taken: readonly string[]): void {
    const reachable = this.#names.filter((name) => !this.#silent.has(name));
    const on = (name: string) => this.#pods.filter(({ spec }) => spec?.nodeName === name);
    for (const name of this.#names) {
      const staying = on(name).filter(({ metadata }) => !metadata?.deletionTimestamp);
      assert.ok(staying.length <= (this.#surge ? 2 : 1), `${staying.length} pods on ${name}`);
    }
    const isMissing = (name: string) => !on(name).some((one) => this.#isAvailable(one));
    if (this.#surge) assert.ok(!taken.some(isMissing), 'the old pod went before the new was available');
    else if (taken.length > 0) {
      const missing = reachable.filter(isMissing).length;
      assert.ok(missing <= this.#limit, `${missing} unavailable`);
    }
  }
}
