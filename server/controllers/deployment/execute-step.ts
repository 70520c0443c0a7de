import type { Deployment, LabelSelector, ReplicaSet } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { controllerOf, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import type { ControllerContext } from '../define-controller.ts';
import { ignoreGone, isNamespaceEnding, messageOf } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import { writeBatchNodes } from '../rollout-policy/batch-nodes.ts';
import { canonicalTemplate } from '../template-hash.ts';
import { bringInStep, buildSet, revisionAnnotation, revisionOf } from './new-set.ts';
import type { DeploymentStep } from './plan.ts';
import { boundsOf, sizeAnnotations } from './scaling.ts';

export interface StepWork {
  context: ControllerContext;
  deployment: Readonly<Deployment>;
  /** Told of each ReplicaSet that was made or changed. */
  wrote: (set: Readonly<ReplicaSet>) => void;
  /** Where a rollout in batches by label is. */
  nodes?: readonly LabelSelector[] | undefined;
}

/** What a step found out that the Deployment's status tells. */
export type StepResult =
  | { type: 'done' }
  | { type: 'created'; set: Readonly<ReplicaSet> }
  /** The new set's name is taken by one with another template. */
  | { type: 'collided' }
  | { type: 'failed'; message: string; cause: unknown };

const done: StepResult = { type: 'done' };

export async function executeStep(work: StepWork, step: DeploymentStep): Promise<StepResult> {
  switch (step.type) {
    case 'createSet':
      return createSet(work, step);
    case 'syncSet':
      await changeSet(work, step.set, (draft) => bringInStep(work.deployment, draft, step.revision));
      await setRevision(work, Math.max(step.revision, revisionOf(step.set)));
      return done;
    case 'scale':
      await scale(work, step.set, step.replicas);
      return done;
    case 'deleteSet': {
      const preconditions = { uid: storedMeta(step.set).uid };
      await work.context.registry
        .delete(replicaSetKind, nameOf(step.set), { preconditions })
        .catch(ignoreGone);
      return done;
    }
  }
}

async function createSet(work: StepWork, step: { replicas: number; revision: number }): Promise<StepResult> {
  const { context, deployment, wrote } = work;
  const set = buildSet(deployment, step);
  const annotations = writeBatchNodes(set.metadata?.annotations ?? {}, work.nodes);
  set.metadata = { ...set.metadata, annotations };
  try {
    const created = await context.registry.create(replicaSetKind, set);
    wrote(created);
    await setRevision(work, step.revision);
    recordScaling(work, created, { before: 0, after: step.replicas });
    return { type: 'created', set: created };
  } catch (error) {
    if (isNamespaceEnding(error)) return done;
    if (isStatus(error, 'AlreadyExists')) return nameTaken(work, set);
    const message = `Failed to create new replica set "${set.metadata?.name}": ${messageOf(error)}`;
    const reason = 'ReplicaSetCreateError';
    context.events.record(deploymentKind, deployment, { type: 'Warning', reason, message });
    return { type: 'failed', message, cause: error };
  }
}

/** Our own set, which the cache does not show yet, is no collision. */
async function nameTaken({ context, deployment, wrote }: StepWork, wanted: ReplicaSet): Promise<StepResult> {
  const { namespace = '', name = '' } = wanted.metadata ?? {};
  const found = await context.registry.get(replicaSetKind, { namespace, name });
  const own = controllerOf(found)?.uid === deployment.metadata?.uid;
  const same =
    canonicalTemplate(found.spec?.template ?? {}) === canonicalTemplate(wanted.spec?.template ?? {});
  if (!own || !same) return { type: 'collided' };
  wrote(found);
  return done;
}

async function scale(work: StepWork, set: Readonly<ReplicaSet>, replicas: number): Promise<void> {
  const written = await changeSet(work, set, (draft) => {
    if (!draft.spec) return;
    draft.spec.replicas = replicas;
    const meta = storedMeta(draft);
    const sizes = sizeAnnotations(boundsOf(work.deployment));
    meta.annotations = writeBatchNodes({ ...meta.annotations, ...sizes }, work.nodes);
  });
  if (written) recordScaling(work, set, { before: set.spec?.replicas ?? 0, after: replicas });
}

async function changeSet(
  { context, wrote }: StepWork,
  set: Readonly<ReplicaSet>,
  change: (draft: ReplicaSet) => void,
): Promise<ReplicaSet | undefined> {
  const { uid } = storedMeta(set);
  const written = await context.registry
    .mutate(replicaSetKind, nameOf(set), (draft) => {
      if (draft.metadata?.uid === uid) change(draft);
    })
    .catch(ignoreGone);
  if (written) wrote(written);
  return written;
}

async function setRevision({ context, deployment }: StepWork, revision: number): Promise<void> {
  if (revisionOf(deployment) === revision) return;
  const { uid } = storedMeta(deployment);
  await context.registry
    .mutate(deploymentKind, nameOf(deployment), (draft) => {
      const meta = storedMeta(draft);
      if (meta.uid !== uid) return;
      meta.annotations = { ...meta.annotations, [revisionAnnotation]: String(revision) };
    })
    .catch(ignoreGone);
}

function recordScaling(
  { context, deployment }: StepWork,
  set: Readonly<ReplicaSet>,
  { before, after }: { before: number; after: number },
): void {
  if (before === after) return;
  const direction = after > before ? 'up' : 'down';
  context.events.record(deploymentKind, deployment, {
    type: 'Normal',
    reason: 'ScalingReplicaSet',
    message: `Scaled ${direction} replica set ${storedMeta(set).name} from ${before} to ${after}`,
  });
}
