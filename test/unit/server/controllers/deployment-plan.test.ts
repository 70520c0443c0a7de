import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../../../protocol/generated/models.ts';
import { bringInStep } from '../../../../server/controllers/deployment/new-set.ts';
import { type DeploymentStep, planDeployment } from '../../../../server/controllers/deployment/plan.ts';
import { boundsOf, sizeAnnotations } from '../../../../server/controllers/deployment/scaling.ts';
import { deploymentStatus, isComplete } from '../../../../server/controllers/deployment/status.ts';
import { canonicalTemplate, templateHash } from '../../../../server/controllers/template-hash.ts';

const start = Date.UTC(2026, 0, 1);

function deployment(image: string, spec: Partial<DeploymentSpec> = {}): Deployment {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'd', generation: 1 },
    spec: {
      replicas: 4,
      selector: { matchLabels: { app: 'web' } },
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } },
      ...spec,
    },
  };
}

interface SetFacts {
  replicas: number;
  available?: number;
  ageSeconds?: number;
  revision?: number;
  running?: number;
  terminating?: number;
}

function setOf(owner: Deployment, name: string, image: string, facts: SetFacts): ReplicaSet {
  const template = structuredClone(owner.spec?.template) ?? {};
  if (template.spec?.containers[0]) template.spec.containers[0].image = image;
  template.metadata = {
    ...template.metadata,
    labels: { ...template.metadata?.labels, 'pod-template-hash': name },
  };
  return {
    metadata: {
      name,
      uid: name,
      generation: 1,
      creationTimestamp: new Date(start - (facts.ageSeconds ?? 10) * 1000).toISOString(),
      annotations: {
        ...sizeAnnotations(boundsOf(owner)),
        'deployment.kubernetes.io/revision': String(facts.revision ?? 1),
      },
    },
    spec: { replicas: facts.replicas, selector: {}, template },
    status: {
      replicas: facts.running ?? facts.replicas,
      availableReplicas: facts.available ?? facts.replicas,
      readyReplicas: facts.available ?? facts.replicas,
      terminatingReplicas: facts.terminating ?? 0,
      observedGeneration: 1,
    },
  };
}

/** Steps as short texts, e.g. `scale old 4→3`. */
function told(steps: readonly DeploymentStep[]): string[] {
  return steps.map((step) => {
    switch (step.type) {
      case 'createSet':
        return `create ${step.replicas} r${step.revision}`;
      case 'syncSet':
        return `revision ${step.set.metadata?.name} r${step.revision}`;
      case 'scale':
        return `scale ${step.set.metadata?.name} ${step.set.spec?.replicas}→${step.replicas}`;
      case 'deleteSet':
        return `delete ${step.set.metadata?.name}`;
    }
  });
}

const plan = (owner: Deployment, ...sets: ReplicaSet[]) => told(planDeployment(owner, sets).steps);

test('a new Deployment makes one full set', () => {
  assert.deepEqual(plan(deployment('a')), ['create 4 r1']);
});

test('a changed template makes a new set within the surge, beside the old one', () => {
  const owner = deployment('b');
  assert.deepEqual(plan(owner, setOf(owner, 'old', 'a', { replicas: 4 })), ['create 1 r2']);
});

test('old pods go as new ones become available, never below the minimum', () => {
  const owner = deployment('b');
  const old = setOf(owner, 'old', 'a', { replicas: 4, ageSeconds: 100 });
  assert.deepEqual(plan(owner, old, setOf(owner, 'new', 'b', { replicas: 1, available: 0, revision: 2 })), [
    'scale old 4→3',
  ]);
  const fewer = setOf(owner, 'old', 'a', { replicas: 3, ageSeconds: 100 });
  assert.deepEqual(
    plan(owner, fewer, setOf(owner, 'new', 'b', { replicas: 2, available: 0, revision: 2 })),
    [],
  );
  assert.deepEqual(plan(owner, fewer, setOf(owner, 'new', 'b', { replicas: 2, available: 1, revision: 2 })), [
    'scale old 3→2',
  ]);
});

test('broken old pods are given up first', () => {
  const owner = deployment('b');
  const broken = setOf(owner, 'broken', 'x', { replicas: 1, available: 0, ageSeconds: 50, revision: 2 });
  const good = setOf(owner, 'good', 'a', { replicas: 3, ageSeconds: 100 });
  const next = setOf(owner, 'next', 'b', { replicas: 1, available: 0, ageSeconds: 5, revision: 3 });
  assert.deepEqual(plan(owner, good, broken, next), ['scale broken 1→0']);
});

test('a paused Deployment neither makes a set nor moves pods, but follows a resize', () => {
  const owner = deployment('b', { paused: true });
  assert.deepEqual(plan(owner, setOf(owner, 'old', 'a', { replicas: 4 })), []);
  const smaller = deployment('b', { paused: true, replicas: 2 });
  assert.deepEqual(plan(smaller, setOf(deployment('b'), 'old', 'a', { replicas: 4 })), ['scale old 4→2']);
});

test('Recreate makes nothing new before the last old pod is gone, terminating ones included', () => {
  const owner = deployment('b', { strategy: { type: 'Recreate' } });
  assert.deepEqual(plan(owner, setOf(owner, 'old', 'a', { replicas: 4 })), ['scale old 4→0']);
  assert.deepEqual(plan(owner, setOf(owner, 'old', 'a', { replicas: 0, running: 0, terminating: 2 })), []);
  assert.deepEqual(plan(owner, setOf(owner, 'old', 'a', { replicas: 0 })), ['create 4 r2']);
  const unseen = setOf(owner, 'old', 'a', { replicas: 0 });
  unseen.metadata = { ...unseen.metadata, generation: 2 };
  assert.deepEqual(plan(owner, unseen), [], 'it may still be making pods');
});

test('the newest set gets the annotations and minReadySeconds of its Deployment, once', () => {
  const owner = deployment('a', { minReadySeconds: 5 });
  owner.metadata = { ...owner.metadata, annotations: { 'kubernetes.io/change-cause': 'why' } };
  const set = setOf(owner, 'now', 'a', { replicas: 4 });
  assert.deepEqual(plan(owner, set), ['revision now r1']);
  bringInStep(owner, set, 1);
  assert.deepEqual(plan(owner, set), []);
});

test('the surge counts pods that have not been told to go yet', () => {
  const owner = deployment('b', { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } });
  const old = setOf(owner, 'old', 'a', { replicas: 3, running: 4, ageSeconds: 100 });
  const next = setOf(owner, 'new', 'b', { replicas: 1, available: 0, revision: 2 });
  assert.deepEqual(plan(owner, old, next), []);
  const gone = setOf(owner, 'old', 'a', { replicas: 3, running: 3, ageSeconds: 100 });
  assert.deepEqual(plan(owner, gone, next), ['scale new 1→2']);
});

test('nothing new is made beside a set that may still be making pods for the size it had before', () => {
  const owner = deployment('b', { strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } });
  const next = setOf(owner, 'new', 'b', { replicas: 1, available: 1, revision: 2 });
  const old = setOf(owner, 'old', 'a', { replicas: 2, running: 1, ageSeconds: 100 });
  assert.deepEqual(plan(owner, old, next), ['scale new 1→3']);
  Object.assign(old.metadata ?? {}, { generation: 2 });
  assert.deepEqual(plan(owner, old, next), []);
  assert.deepEqual(plan(owner, old), ['create 0 r2']);
});

test('a saturated new set ends the old ones when the Deployment is resized', () => {
  const before = deployment('b', { replicas: 6 });
  const owner = deployment('b', { replicas: 4 });
  const old = setOf(before, 'old', 'a', { replicas: 2, ageSeconds: 100 });
  const next = setOf(before, 'new', 'b', { replicas: 4, revision: 2 });
  assert.deepEqual(plan(owner, old, next), ['scale new 4→4', 'scale old 2→0']);
});

test('going back to an old template takes its set again under a new revision', () => {
  const owner = deployment('a');
  const first = setOf(owner, 'first', 'a', { replicas: 0, ageSeconds: 100, revision: 1 });
  const second = setOf(owner, 'second', 'b', { replicas: 4, ageSeconds: 50, revision: 2 });
  assert.deepEqual(plan(owner, first, second), ['revision first r3', 'scale first 0→1']);
});

test('history beyond the limit goes, oldest first, never a set that still has pods', () => {
  const owner = deployment('z', { revisionHistoryLimit: 1 });
  const sets = [1, 2, 3].map((revision) =>
    setOf(owner, `s${revision}`, `i${revision}`, { replicas: 0, revision }),
  );
  const current = setOf(owner, 'now', 'z', { replicas: 4, revision: 4 });
  assert.deepEqual(plan(owner, ...sets, current), ['delete s1', 'delete s2']);
});

test('a resize in the middle of a rollout is shared out and never passes the surge', () => {
  const before = deployment('b', { replicas: 10 });
  const owner = deployment('b', { replicas: 20 });
  const old = setOf(before, 'old', 'a', { replicas: 8, ageSeconds: 100 });
  const next = setOf(before, 'new', 'b', { replicas: 5, available: 3, revision: 2 });
  assert.deepEqual(plan(owner, old, next), ['scale new 5→10', 'scale old 8→15'].sort());
});

test('a Deployment that is being deleted does nothing', () => {
  const owner = deployment('b');
  owner.metadata = { ...owner.metadata, deletionTimestamp: new Date(start).toISOString() };
  assert.deepEqual(plan(owner, setOf(owner, 'old', 'a', { replicas: 4 })), []);
});

test('templates that mean the same have one hash, whatever the order of keys and the hash label', () => {
  const a = { metadata: { labels: { x: '1', y: '2' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const b = {
    spec: { containers: [{ image: 'i', name: 'c' }] },
    metadata: { labels: { y: '2', 'pod-template-hash': 'q', x: '1' }, annotations: {} },
  };
  assert.equal(canonicalTemplate(a), canonicalTemplate(b));
  assert.equal(templateHash(a, 0), templateHash(b, 0));
  assert.notEqual(templateHash(a, 0), templateHash(a, 1));
});

test('a rollout past its deadline without progress is reported, and progress clears it', () => {
  const owner = deployment('b', { progressDeadlineSeconds: 10 });
  const newSet = setOf(owner, 'new', 'b', { replicas: 1, available: 0, revision: 2 });
  const facts = { newSet, oldSets: [], collisionCount: 0 };
  const reason = (status: ReturnType<typeof deploymentStatus>) =>
    status.conditions?.find((condition) => condition.type === 'Progressing')?.reason;
  owner.status = deploymentStatus(owner, { ...facts, nowMs: start });
  assert.equal(reason(owner.status), 'ReplicaSetUpdated');
  owner.status = deploymentStatus(owner, { ...facts, nowMs: start + 5_000 });
  assert.equal(reason(owner.status), 'ReplicaSetUpdated');
  owner.status = deploymentStatus(owner, { ...facts, nowMs: start + 11_000 });
  assert.equal(reason(owner.status), 'ProgressDeadlineExceeded');
  const better = setOf(owner, 'new', 'b', { replicas: 4, available: 4, revision: 2 });
  owner.status = deploymentStatus(owner, { ...facts, newSet: better, nowMs: start + 20_000 });
  assert.equal(reason(owner.status), 'NewReplicaSetAvailable');
});

/** A rollout played through: plan, apply, let some pods become available in a chosen order, again. */
function rollout(
  spec: { replicas: number; maxSurge: number | string; maxUnavailable: number | string },
  luck: number[],
) {
  const strategy = {
    type: 'RollingUpdate',
    rollingUpdate: { maxSurge: spec.maxSurge, maxUnavailable: spec.maxUnavailable },
  };
  const owner = deployment('new', { replicas: spec.replicas, strategy });
  const bounds = boundsOf(owner);
  let sets = [setOf(owner, 'old', 'old', { replicas: spec.replicas, ageSeconds: 100 })];
  for (let round = 0; round < 400; round += 1) {
    const { steps, newSet, oldSets } = planDeployment(owner, sets);
    for (const step of steps) {
      if (step.type === 'createSet') {
        sets = [
          ...sets,
          setOf(owner, 'new', 'new', { replicas: step.replicas, available: 0, revision: step.revision }),
        ];
      } else if (step.type === 'scale') {
        if (step.set.spec) step.set.spec.replicas = step.replicas;
        const status = step.set.status;
        if (status) {
          status.replicas = step.replicas;
          status.availableReplicas = Math.min(status.availableReplicas ?? 0, step.replicas);
        }
      }
    }
    const total = sets.reduce((sum, set) => sum + (set.spec?.replicas ?? 0), 0);
    const available = sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0);
    assert.ok(total <= spec.replicas + bounds.maxSurge, `round ${round}: ${total} asked for`);
    assert.ok(
      available >= spec.replicas - bounds.maxUnavailable,
      `round ${round}: only ${available} available`,
    );
    const fresh = sets.find((set) => set.metadata?.name === 'new');
    if (fresh?.status) {
      const more = luck[round % luck.length] ?? 1;
      fresh.status.availableReplicas = Math.min(
        fresh.spec?.replicas ?? 0,
        (fresh.status.availableReplicas ?? 0) + more,
      );
    }
    const status = deploymentStatus(owner, {
      newSet,
      oldSets,
      collisionCount: 0,
      nowMs: start,
    });
    if (newSet && isComplete(owner, status)) return true;
  }
  return false;
}

test('a rolling update never passes its bounds and always ends, however slowly pods become available', () => {
  const amount = fc.oneof(
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 100 }).map((value) => `${value}%`),
  );
  fc.assert(
    fc.property(
      fc.record({ replicas: fc.integer({ min: 0, max: 25 }), maxSurge: amount, maxUnavailable: amount }),
      fc
        .array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 6 })
        .filter((luck) => luck.some((value) => value > 0)),
      (spec, luck) => rollout(spec, luck),
    ),
    { numRuns: 300 },
  );
});

test('a set that is the newest again remembers the revisions it had', () => {
  const annotations = {
    ['deployment.kubernetes.io/revision']: '2',
    'deployment.kubernetes.io/revision-history': '1',
  };
  const set = { metadata: { name: 's', uid: 's', annotations }, spec: { selector: {} } };
  bringInStep({ metadata: { name: 'd', uid: 'd' } }, set, 5);
  assert.equal(set.metadata.annotations['deployment.kubernetes.io/revision-history'], '1,2');
  assert.equal(set.metadata.annotations['deployment.kubernetes.io/revision'], '5');
  bringInStep({ metadata: { name: 'd', uid: 'd' } }, set, 5);
  assert.equal(set.metadata.annotations['deployment.kubernetes.io/revision-history'], '1,2');
});
