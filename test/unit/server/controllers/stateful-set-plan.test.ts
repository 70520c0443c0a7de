import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as fc from 'fast-check';
import type { PersistentVolumeClaim, Pod, StatefulSet } from '../../../../protocol/generated/models.ts';
import { buildClaims, buildPod, ordinalOf } from '../../../../server/controllers/stateful-set/ordinals.ts';
import {
  planStatefulSet,
  type StatefulSetPlan,
  type StatefulSetStep,
} from '../../../../server/controllers/stateful-set/plan.ts';

const now = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString();

interface SetFacts {
  parallel?: boolean;
  partition?: number;
  maxUnavailable?: number | string;
  onDelete?: boolean;
  start?: number;
  claims?: { whenDeleted: string; whenScaled: string };
  deleting?: boolean;
}

function statefulSet(replicas: number, facts: SetFacts = {}): StatefulSet {
  const { parallel, partition = 0, maxUnavailable, onDelete, start, claims, deleting } = facts;
  const rollingUpdate = { partition, ...(maxUnavailable === undefined ? {} : { maxUnavailable }) };
  return {
    metadata: {
      name: 'db',
      namespace: 'default',
      uid: 'db',
      ...(deleting ? { deletionTimestamp: at(1) } : {}),
    },
    spec: {
      replicas,
      serviceName: 'dbs',
      selector: { matchLabels: { app: 'db' } },
      podManagementPolicy: parallel ? 'Parallel' : 'OrderedReady',
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [] } },
      updateStrategy: onDelete ? { type: 'OnDelete' } : { type: 'RollingUpdate', rollingUpdate },
      ...(start === undefined ? {} : { ordinals: { start } }),
      ...(claims
        ? {
            volumeClaimTemplates: [{ metadata: { name: 'data' } }],
            persistentVolumeClaimRetentionPolicy: claims,
          }
        : {}),
    },
  };
}

function pod(
  ordinal: number,
  facts: { revision?: string; ready?: boolean; deleting?: boolean; phase?: string } = {},
): Pod {
  const { revision = 'new', ready = true, deleting, phase = 'Running' } = facts;
  const built = buildPod(statefulSet(1), {
    ordinal,
    revision,
    template: statefulSet(1).spec?.template ?? {},
  });
  return {
    ...built,
    metadata: {
      ...built.metadata,
      uid: `db-${ordinal}`,
      creationTimestamp: at(100),
      ...(deleting ? { deletionTimestamp: at(1) } : {}),
    },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: at(60) }],
    },
  };
}

function plan(set: StatefulSet, pods: Pod[], claims: PersistentVolumeClaim[] = []): StatefulSetPlan {
  const claimNamed = (name: string) => claims.find(({ metadata }) => metadata?.name === name);
  return planStatefulSet(set, { pods, revisions: { current: 'old', update: 'new' }, claimNamed, nowMs: now });
}

function told(step: StatefulSetStep): string {
  switch (step.type) {
    case 'create':
    case 'createClaims':
      return `${step.type} ${step.ordinal}${step.type === 'create' && step.revision === 'old' ? ' old' : ''}`;
    case 'remove':
      return `remove ${step.pod.metadata?.name}`;
    case 'identify':
      return `identify ${step.ordinal}`;
    case 'ownClaim':
      return `claim of ${step.owners.map(({ kind }) => kind).join('+')}`;
  }
}

const steps = (...args: Parameters<typeof plan>) => plan(...args).steps.map(told);
const old = (ordinal: number, more = {}) => pod(ordinal, { revision: 'old', ...more });

suite('the pods of a StatefulSet', () => {
  test('have the name, labels, host name and claims of their ordinal', () => {
    const set = statefulSet(1, { claims: { whenDeleted: 'Retain', whenScaled: 'Retain' } });
    const built = buildPod(set, { ordinal: 3, revision: 'db-1', template: set.spec?.template ?? {} });
    assert.equal(built.metadata?.name, 'db-3');
    assert.deepEqual(built.metadata?.labels, {
      app: 'db',
      'controller-revision-hash': 'db-1',
      'statefulset.kubernetes.io/pod-name': 'db-3',
      'apps.kubernetes.io/pod-index': '3',
    });
    assert.deepEqual([built.spec?.hostname, built.spec?.subdomain], ['db-3', 'dbs']);
    assert.deepEqual(built.spec?.volumes, [
      { name: 'data', persistentVolumeClaim: { claimName: 'data-db-3' } },
    ]);
    assert.deepEqual(buildClaims(set, 3)[0]?.metadata, {
      name: 'data-db-3',
      namespace: 'default',
      labels: { app: 'db' },
    });
  });

  test('come in order, each when all before it are available', () => {
    assert.deepEqual(steps(statefulSet(3), []), ['create 0']);
    assert.deepEqual(steps(statefulSet(3), [pod(0, { ready: false })]), []);
    assert.deepEqual(steps(statefulSet(3), [pod(0)]), ['create 1']);
    assert.deepEqual(steps(statefulSet(3), [pod(0), pod(2)]), ['create 1']);
    assert.deepEqual(steps(statefulSet(2, { start: 5 }), []), ['create 5']);
  });

  test('come all at once where they may', () => {
    assert.deepEqual(steps(statefulSet(3, { parallel: true }), [pod(1, { ready: false })]), [
      'create 0',
      'create 2',
    ]);
  });

  test('go from the highest down, one at a time, when those that stay are available', () => {
    const pods = [pod(0), pod(1), pod(2), pod(3)];
    assert.deepEqual(steps(statefulSet(1), pods), ['remove db-3']);
    assert.deepEqual(steps(statefulSet(1), [...pods.slice(0, 3), pod(3, { deleting: true })]), []);
    assert.deepEqual(steps(statefulSet(1), [pod(0, { ready: false }), ...pods.slice(1)]), []);
    assert.deepEqual(steps(statefulSet(1, { parallel: true }), pods), [
      'remove db-3',
      'remove db-2',
      'remove db-1',
    ]);
    assert.deepEqual(steps(statefulSet(3, { start: 1 }), pods), ['remove db-0']);
  });

  test('are not doubled while one is on its way out, and replaced when they ended', () => {
    for (const parallel of [true, false]) {
      assert.deepEqual(steps(statefulSet(1, { parallel }), [pod(0, { deleting: true })]), []);
      assert.deepEqual(steps(statefulSet(1, { parallel }), [pod(0, { phase: 'Failed' })]), ['remove db-0']);
      assert.deepEqual(
        steps(statefulSet(1, { parallel }), [pod(0, { phase: 'Failed', deleting: true })]),
        [],
      );
    }
  });

  test('stay as they are when the set is being deleted', () => {
    assert.deepEqual(steps(statefulSet(3, { deleting: true }), [pod(0, { phase: 'Failed' })]), []);
  });
});

suite('the claims of a StatefulSet', () => {
  const claim = (ordinal: number, owners: { kind: string; name: string; uid: string }[] = []) => ({
    metadata: {
      name: `data-db-${ordinal}`,
      ownerReferences: owners.map((owner) => ({ apiVersion: 'v1', ...owner })),
    },
  });

  test('belong to the set or to a pod that is scaled away, as the policy says', () => {
    const both = { whenDeleted: 'Delete', whenScaled: 'Delete' };
    const pods = [pod(0), pod(1)];
    assert.deepEqual(steps(statefulSet(1, { claims: both }), pods, [claim(0), claim(1)]), [
      'claim of StatefulSet',
      'claim of Pod',
      'remove db-1',
    ]);
    const keep = { whenDeleted: 'Retain', whenScaled: 'Retain' };
    assert.deepEqual(steps(statefulSet(1, { claims: keep }), pods, [claim(0), claim(1)]), ['remove db-1']);
  });

  test('that go with an earlier pod are waited for', () => {
    const claims = { whenDeleted: 'Retain', whenScaled: 'Delete' };
    const stale = claim(0, [{ kind: 'Pod', name: 'db-0', uid: 'earlier' }]);
    assert.deepEqual(steps(statefulSet(1, { claims }), [], [stale]), []);
    assert.deepEqual(steps(statefulSet(1, { claims }), [], []), ['create 0']);
  });

  test('are made again for a pod that waits for them', () => {
    const claims = { whenDeleted: 'Retain', whenScaled: 'Retain' };
    assert.deepEqual(steps(statefulSet(1, { claims }), [pod(0, { phase: 'Pending', ready: false })]), [
      'createClaims 0',
    ]);
  });
});

suite('an update of a StatefulSet', () => {
  const outdated = [0, 1, 2, 3].map((ordinal) => old(ordinal));

  test('goes from the highest ordinal down and waits for each', () => {
    assert.deepEqual(steps(statefulSet(4), outdated), ['remove db-3']);
    assert.deepEqual(steps(statefulSet(4), [...outdated.slice(0, 3), pod(3, { ready: false })]), []);
    assert.deepEqual(steps(statefulSet(4), [...outdated.slice(0, 3), pod(3)]), ['remove db-2']);
  });

  test('keeps those below the partition, and makes them anew as they were', () => {
    const set = statefulSet(4, { partition: 3 });
    assert.deepEqual(steps(set, [...outdated.slice(0, 3), pod(3)]), []);
    assert.deepEqual(steps(set, [old(0), old(2), pod(3)]), ['create 1 old']);
    assert.deepEqual(steps(set, outdated.slice(0, 3)), ['create 3']);
  });

  test('takes as many at once as may be unavailable, and broken old ones for nothing', () => {
    assert.deepEqual(steps(statefulSet(4, { maxUnavailable: '50%' }), outdated), [
      'remove db-3',
      'remove db-2',
    ]);
    const broken = [old(0), old(1, { ready: false }), old(2), old(3)];
    assert.deepEqual(steps(statefulSet(4, { parallel: true }), broken), ['remove db-1']);
  });

  test('replaces nothing by itself with OnDelete, and what is deleted by the newest', () => {
    assert.deepEqual(steps(statefulSet(4, { onDelete: true }), outdated), []);
    assert.deepEqual(steps(statefulSet(4, { onDelete: true }), outdated.slice(0, 3)), ['create 3']);
  });

  test('is over when all are of it and ready; until then the current revision is the old one', () => {
    const over = plan(statefulSet(2), [pod(0), pod(1)]).status;
    assert.deepEqual([over.currentRevision, over.currentReplicas, over.updatedReplicas], ['new', 2, 2]);
    const under = plan(statefulSet(2), [old(0), pod(1)]).status;
    assert.deepEqual([under.currentRevision, under.currentReplicas, under.updatedReplicas], ['old', 1, 1]);
  });
});

test('never two of one ordinal, never out of order, never more unavailable than allowed, and always an end', () => {
  const facts = fc.record({
    parallel: fc.boolean(),
    maxUnavailable: fc.constantFrom(1, 2, '50%'),
    partition: fc.constantFrom(0, 0, 2),
  });
  const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(facts, sizes, fc.array(fc.nat({ max: 999 }), { maxLength: 80 }), (facts, sizes, choices) =>
      new Life(facts).run(sizes, choices),
    ),
    { numRuns: 80 },
  );
});

/** A set that is resized now and then, on nodes that do what they are told when they come to it. */
class Life {
  readonly #facts: { parallel: boolean; maxUnavailable: number | string; partition: number };
  #pods: Pod[] = [old(0), old(1), old(2)];

  constructor(facts: { parallel: boolean; maxUnavailable: number | string; partition: number }) {
    this.#facts = facts;
  }

  run(sizes: readonly number[], choices: readonly number[]): void {
    choices.forEach((choice, index) => {
      this.#happen(choice);
      this.#step(sizes[Math.floor((index * sizes.length) / choices.length)] ?? 0);
    });
    const last = sizes.at(-1) ?? 0;
    for (let round = 0; round < 40; round += 1) {
      this.#pods.slice().forEach(() => this.#happen(0));
      this.#step(last);
    }
    const ordinals = this.#pods.map((one) => ordinalOf(statefulSet(0), one) ?? -1).sort((a, b) => a - b);
    assert.deepEqual(
      ordinals,
      Array.from({ length: last }, (_, index) => index),
    );
    for (const one of this.#pods.filter(
      (each) => (ordinalOf(statefulSet(0), each) ?? 0) >= this.#facts.partition,
    ))
      assert.equal(one.metadata?.labels?.['controller-revision-hash'], 'new');
  }

  #happen(choice: number): void {
    const next = this.#pods.splice(choice % Math.max(1, this.#pods.length), 1)[0];
    if (!next || next.metadata?.deletionTimestamp) return;
    const breaks = choice % 7 === 3;
    this.#pods.push(Object.assign(next, { status: pod(0, { ready: !breaks }).status }));
  }

  #step(replicas: number): void {
    const set = statefulSet(replicas, this.#facts);
    const before = this.#pods.slice();
    const available = before.filter((one) => this.#isAvailable(one)).length;
    const { steps } = plan(set, before);
    for (const step of steps) this.#do(step, before, replicas);
    const percent = Math.max(1, Math.floor(replicas / 2));
    const allowed = typeof this.#facts.maxUnavailable === 'number' ? this.#facts.maxUnavailable : percent;
    const taken = steps.filter(
      (step) => step.type === 'remove' && step.why === 'updated' && this.#wasAvailable(step, before),
    );
    if (taken.length > 0) assert.ok(available - taken.length >= Math.min(replicas, before.length) - allowed);
  }

  #wasAvailable(step: StatefulSetStep, before: readonly Pod[]): boolean {
    return (
      step.type === 'remove' &&
      before.some((one) => one === step.pod && one.status?.conditions?.[0]?.status === 'True')
    );
  }

  #isAvailable({ metadata, status }: Readonly<Pod>): boolean {
    return !metadata?.deletionTimestamp && status?.conditions?.[0]?.status === 'True';
  }

  #do(step: StatefulSetStep, before: readonly Pod[], replicas: number): void {
    const lower = (ordinal: number) =>
      before.filter((one) => (ordinalOf(statefulSet(0), one) ?? 0) < ordinal);
    if (step.type === 'create') {
      const { ordinal, revision } = step;
      assert.ok(
        before.every((one) => ordinalOf(statefulSet(0), one) !== ordinal),
        `a second pod for ${ordinal}`,
      );
      if (!this.#facts.parallel)
        assert.ok(lower(ordinal).filter((one) => this.#isAvailable(one)).length === ordinal, 'out of order');
      this.#pods.push(pod(ordinal, { revision, ready: false, phase: 'Pending' }));
    } else if (step.type === 'remove') {
      const ordinal = ordinalOf(statefulSet(0), step.pod) ?? 0;
      if (step.why === 'updated') assert.ok(ordinal >= this.#facts.partition, 'below the partition');
      if (step.why === 'scaled') assert.ok(ordinal >= replicas);
      const { metadata } = step.pod as Pod;
      if (metadata) metadata.deletionTimestamp = at(0);
    }
  }
}
