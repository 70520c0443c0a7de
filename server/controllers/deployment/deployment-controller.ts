import type { Deployment, ReplicaSet } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { byControllerUid, orphansByNamespace } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { WriteFence } from '../write-fence.ts';
import { executeStep, type StepResult, type StepWork } from './execute-step.ts';
import { type DeploymentPlan, planDeployment } from './plan.ts';
import { deadlineMs, deploymentStatus, type StatusFacts } from './status.ts';

export const deploymentController = defineController({
  name: 'deployment',
  workers: 5,
  setup(context, enqueue) {
    const deployments = context.cache.informer(deploymentKind);
    const replicaSets = context.cache.informer(replicaSetKind);
    const fence = new WriteFence(replicaSets);
    const selectorOf = ({ spec }: Readonly<Deployment>) => spec?.selector;
    followControlled(context, { owners: deployments, controlled: replicaSets, selectorOf, enqueue });
    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const deployment = deployments.get(namespace, name);
      if (!deployment) return fence.forget(key);
      if (!fence.isOpen(key)) return WriteFence.retry;
      const wrote = (set: Readonly<ReplicaSet>) => fence.wrote(key, set);
      const sets = await adoptAndRelease(context, {
        kind: deploymentKind,
        owner: deployment,
        selector: deployment.spec?.selector ?? {},
        targetKind: replicaSetKind,
        controlled: replicaSets.byIndex(byControllerUid.name, storedMeta(deployment).uid),
        orphans: replicaSets.byIndex(orphansByNamespace.name, namespace),
        wrote,
      });
      return reconcile({ context, deployment, wrote }, sets);
    };
  },
});

async function reconcile(
  work: StepWork,
  sets: readonly Readonly<ReplicaSet>[],
): Promise<{ requeueAfterMs?: number } | void> {
  const { context, deployment } = work;
  const plan = planDeployment(deployment, sets);
  const results: StepResult[] = [];
  for (const step of plan.steps) results.push(await executeStep(work, step));
  const status = deploymentStatus(deployment, factsOf(deployment, plan, results, context.clock.now()));
  await writeStatus(work, status);
  const failed = results.find((result) => result.type === 'failed');
  if (failed) throw failed.cause;
  const deadline = deadlineMs(deployment, status);
  if (deadline === undefined) return undefined;
  return { requeueAfterMs: Math.max(1000, deadline - context.clock.now()) };
}

function factsOf(
  deployment: Readonly<Deployment>,
  { newSet, oldSets }: DeploymentPlan,
  results: readonly StepResult[],
  nowMs: number,
): StatusFacts {
  const created = results.find((result) => result.type === 'created')?.set;
  const failed = results.find((result) => result.type === 'failed');
  const collided = results.some((result) => result.type === 'collided');
  const known = deployment.status?.conditions?.some((condition) => condition.type === 'Progressing');
  const collisionCount = (deployment.status?.collisionCount ?? 0) + (collided ? 1 : 0);
  const set = created ?? newSet;
  const facts: StatusFacts = { newSet: set, oldSets, collisionCount, nowMs };
  if (failed) return { ...facts, setEvent: { reason: 'ReplicaSetCreateError', message: failed.message } };
  if (!set || (known && !created)) return facts;
  const { name } = storedMeta(set);
  return {
    ...facts,
    setEvent: created
      ? { reason: 'NewReplicaSetCreated', message: `Created new replica set "${name}"` }
      : { reason: 'FoundNewReplicaSet', message: `Found new replica set "${name}"` },
  };
}

async function writeStatus(
  { context, deployment }: StepWork,
  status: NonNullable<Deployment['status']>,
): Promise<void> {
  if (sameValue(deployment.status, status)) return;
  const { uid } = storedMeta(deployment);
  const change = (draft: Deployment) => {
    if (draft.metadata?.uid === uid) draft.status = status;
  };
  await context.registry
    .mutate(deploymentKind, nameOf(deployment), change, { subresource: 'status' })
    .catch(ignoreGone);
}
