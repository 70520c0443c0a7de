import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import {
  controllerOf,
  controllerReference,
  objectKey,
  splitKey,
  storedMeta,
} from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { adoptAndRelease } from '../adoption.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../ignore-gone.ts';
import { addOnce, byControllerUid, orphansByNamespace } from '../indexes.ts';
import { WriteFence } from '../write-fence.ts';
import {
  type DeploymentPlan,
  type DeploymentStep,
  planDeployment,
  revisionAnnotation,
  revisionOf,
} from './plan.ts';
import { boundsOf, sizeAnnotations } from './scaling.ts';
import { deadlineMs, deploymentStatus, type StatusFacts } from './status.ts';
import { templateHash, templateHashLabel } from './template-hash.ts';

export const deploymentController = defineController({
  name: 'deployment',
  workers: 5,
  setup(context, enqueue) {
    const deployments = context.cache.informer(deploymentKind);
    const replicaSets = context.cache.informer(replicaSetKind);
    addOnce(replicaSets, byControllerUid);
    addOnce(replicaSets, orphansByNamespace);
    const fence = new WriteFence(replicaSets);
    deployments.onChange(({ object }) => enqueue(objectKey(object)));
    replicaSets.onChange(({ object }) => {
      const owner = controllerOf(object);
      const deployment = owner && deployments.getByUid(owner.uid);
      if (deployment) enqueue(objectKey(deployment));
    });
    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const deployment = deployments.get(namespace, name);
      if (!deployment) return fence.forget(key);
      if (!fence.isOpen(key)) return { requeueAfterMs: 50 };
      const sets = await adoptAndRelease(context, {
        kind: deploymentKind,
        owner: deployment,
        selector: deployment.spec?.selector ?? {},
        targetKind: replicaSetKind,
        controlled: replicaSets.byIndex(byControllerUid.name, storedMeta(deployment).uid),
        orphans: replicaSets.byIndex(orphansByNamespace.name, namespace),
      });
      return reconcile(context, deployment, sets, (version) => fence.wrote(key, version));
    };
  },
});

type Wrote = (resourceVersion: string | undefined) => void;

async function reconcile(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  sets: readonly Readonly<ReplicaSet>[],
  wrote: Wrote,
): Promise<{ requeueAfterMs?: number } | void> {
  const plan = planDeployment(deployment, sets);
  const results: StepResult[] = [];
  for (const step of plan.steps) results.push(await execute(context, deployment, step, wrote));
  const made = results.find((result) => result.created)?.created;
  const collisions = results.some((result) => result.collided);
  const facts: StatusFacts = {
    newSet: made ?? plan.newSet,
    oldSets: plan.oldSets,
    setEvent: setEventOf(deployment, plan, made),
    collisionCount: collisions
      ? (deployment.status?.collisionCount ?? 0) + 1
      : deployment.status?.collisionCount,
    nowMs: context.clock.now(),
  };
  await writeStatus(context, deployment, facts);
  const deadline = deadlineMs(deployment);
  if (deadline === undefined) return undefined;
  return { requeueAfterMs: Math.max(1000, deadline - context.clock.now()) };
}

function setEventOf(
  deployment: Readonly<Deployment>,
  plan: DeploymentPlan,
  made: Readonly<ReplicaSet> | undefined,
): StatusFacts['setEvent'] {
  if (made) return { reason: 'NewReplicaSetCreated', name: storedMeta(made).name };
  const known = deployment.status?.conditions?.some((condition) => condition.type === 'Progressing');
  return plan.newSet && !known
    ? { reason: 'FoundNewReplicaSet', name: storedMeta(plan.newSet).name }
    : undefined;
}

interface StepResult {
  created?: ReplicaSet;
  /** The name was taken by a set with another template. */
  collided?: boolean;
}

async function execute(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  step: DeploymentStep,
  wrote: Wrote,
): Promise<StepResult> {
  switch (step.type) {
    case 'createSet':
      return createSet(context, deployment, step, wrote);
    case 'setRevision':
      await annotate(context, deployment, step.set, { [revisionAnnotation]: String(step.revision) }, wrote);
      await setDeploymentRevision(context, deployment, step.revision);
      return {};
    case 'scale':
      await scale(context, deployment, step.set, step.replicas, wrote);
      return {};
    case 'deleteSet':
      await context.registry.delete(replicaSetKind, nameOf(step.set)).catch(ignoreGone);
      return {};
  }
}

async function createSet(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  step: { replicas: number; revision: number },
  wrote: Wrote,
): Promise<StepResult> {
  const set = buildSet(deployment, step);
  try {
    const created = await context.registry.create(replicaSetKind, set);
    wrote(created.metadata?.resourceVersion);
    await setDeploymentRevision(context, deployment, step.revision);
    recordScaling(context, deployment, created, 0, step.replicas);
    return { created };
  } catch (error) {
    if (isStatus(error, 'AlreadyExists')) return { collided: true };
    if (isStatus(error, 'Forbidden') && error.message.includes('being terminated')) return {};
    throw error;
  }
}

function buildSet(
  deployment: Readonly<Deployment>,
  { replicas, revision }: { replicas: number; revision: number },
): ReplicaSet {
  const { name, namespace = '' } = storedMeta(deployment);
  const spec = deployment.spec;
  if (!spec) throw new TypeError('a stored Deployment has a spec');
  const hash = templateHash(spec.template, deployment.status?.collisionCount ?? 0);
  const template = structuredClone(spec.template);
  const labels = { ...template.metadata?.labels, [templateHashLabel]: hash };
  return {
    metadata: {
      namespace,
      name: `${name}-${hash}`,
      labels,
      annotations: {
        ...inheritedAnnotations(deployment),
        ...sizeAnnotations(boundsOf(deployment)),
        [revisionAnnotation]: String(revision),
      },
      ownerReferences: [controllerReference(deploymentKind, deployment)],
    },
    spec: {
      replicas,
      minReadySeconds: spec.minReadySeconds ?? 0,
      selector: {
        ...spec.selector,
        matchLabels: { ...spec.selector.matchLabels, [templateHashLabel]: hash },
      },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** A set keeps its Deployment's annotations, so that `kubectl rollout history` shows the change cause. */
function inheritedAnnotations(deployment: Readonly<Deployment>): Record<string, string> {
  const own = new Set([revisionAnnotation, 'kubectl.kubernetes.io/last-applied-configuration']);
  const annotations = Object.entries(deployment.metadata?.annotations ?? {});
  return Object.fromEntries(annotations.filter(([key]) => !own.has(key)));
}

async function scale(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  set: Readonly<ReplicaSet>,
  replicas: number,
  wrote: Wrote,
): Promise<void> {
  const before = set.spec?.replicas ?? 0;
  const written = await context.registry
    .mutate(replicaSetKind, nameOf(set), (draft) => {
      if (!draft.spec) return;
      draft.spec.replicas = replicas;
      const meta = storedMeta(draft);
      meta.annotations = { ...meta.annotations, ...sizeAnnotations(boundsOf(deployment)) };
    })
    .catch(ignoreGone);
  if (!written) return;
  wrote(written.metadata?.resourceVersion);
  recordScaling(context, deployment, set, before, replicas);
}

async function annotate(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  set: Readonly<ReplicaSet>,
  annotations: Record<string, string>,
  wrote: Wrote,
): Promise<void> {
  const written = await context.registry
    .mutate(replicaSetKind, nameOf(set), (draft) => {
      const meta = storedMeta(draft);
      meta.annotations = { ...meta.annotations, ...inheritedAnnotations(deployment), ...annotations };
    })
    .catch(ignoreGone);
  wrote(written?.metadata?.resourceVersion);
}

async function setDeploymentRevision(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  revision: number,
): Promise<void> {
  if (revisionOf(deployment) === revision) return;
  await context.registry
    .mutate(deploymentKind, nameOf(deployment), (draft) => {
      const meta = storedMeta(draft);
      meta.annotations = { ...meta.annotations, [revisionAnnotation]: String(revision) };
    })
    .catch(ignoreGone);
}

async function writeStatus(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  facts: StatusFacts,
): Promise<void> {
  const { uid } = storedMeta(deployment);
  const status = deploymentStatus(deployment, facts);
  await context.registry
    .mutate(
      deploymentKind,
      nameOf(deployment),
      (draft) => {
        if (draft.metadata?.uid === uid) draft.status = status;
      },
      { subresource: 'status' },
    )
    .catch(ignoreGone);
}

function recordScaling(
  context: ControllerContext,
  deployment: Readonly<Deployment>,
  set: Readonly<ReplicaSet>,
  before: number,
  after: number,
): void {
  if (before === after) return;
  const direction = after > before ? 'up' : 'down';
  context.events.record(deploymentKind, deployment, {
    type: 'Normal',
    reason: 'ScalingReplicaSet',
    message: `Scaled ${direction} replica set ${storedMeta(set).name} from ${before} to ${after}`,
  });
}

function nameOf(object: Readonly<ReplicaSet | Deployment>): { namespace: string; name: string } {
  const { namespace = '', name } = storedMeta(object);
  return { namespace, name };
}
