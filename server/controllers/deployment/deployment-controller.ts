import type { Deployment, Pod, ReplicaSet } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { deploymentKind } from '../../../protocol/kinds/deployment.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { rolloutPolicyAnnotation } from '../../../protocol/kinds/rollout-policy.ts';
import { controllerOf, objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { adoptAndRelease } from '../adoption.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { followControlled } from '../follow-controlled.ts';
import { addOnce, byControllerUid, byNodeName, orphansByNamespace } from '../indexes.ts';
import { isSilent } from '../node-silence.ts';
import { nameOf } from '../object-name.ts';
import { Pacing } from '../pacing.ts';
import { PolicyBook, type PolicyOf } from '../rollout-policy/policy-book.ts';
import { templateHashLabel } from '../template-hash.ts';
import { WriteFence } from '../write-fence.ts';
import { executeStep, type StepResult, type StepWork } from './execute-step.ts';
import { type DeploymentPlan, planDeployment } from './plan.ts';
import { type DeploymentRules, hashOf } from './rollout-gate.ts';
import { deadlineMs, deploymentStatus, type StatusFacts } from './status.ts';

export const deploymentController = defineController({
  name: 'deployment',
  workers: 5,
  setup(context, enqueue) {
    const deployments = context.cache.informer(deploymentKind);
    const replicaSets = context.cache.informer(replicaSetKind);
    const fence = new WriteFence(replicaSets);
    const selectorOf = ({ spec }: Readonly<Deployment>) => spec?.selector;
    const pacing = new Pacing(context.clock);
    const policies = new PolicyBook(context, { kind: deploymentKind, owners: deployments, enqueue });
    followControlled(context, { owners: deployments, controlled: replicaSets, selectorOf, enqueue });
    followPods(context, enqueue);
    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const deployment = deployments.get(namespace, name);
      if (!deployment) {
        [fence, pacing].forEach((part) => part.forget(key));
        return policies.clean(key);
      }
      if (!fence.isOpen(key) || !policies.isSettled(key)) return WriteFence.retry;
      const restMs = pacing.restMs(key);
      if (restMs > 0) return { requeueAfterMs: restMs };
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
      await policies.clean(key, deployment);
      return reconcile({ context, deployment, wrote, policies, pacing, key }, sets);
    };
  },
});

interface Work extends StepWork {
  policies: PolicyBook<Deployment>;
  pacing: Pacing;
  key: string;
}

async function reconcile(
  work: Work,
  sets: readonly Readonly<ReplicaSet>[],
): Promise<{ requeueAfterMs?: number } | void> {
  const { context, deployment, policies } = work;
  const policy = policies.policyOf(deployment);
  const plan = work.pacing.run(work.key, () => planDeployment(deployment, sets, rulesOf(work, policy, sets)));
  const { rollout, rollBackTo, nodes, changesAtMs } = plan.gate;
  if (typeof policy !== 'string' && rollout) await policies.save(work.key, deployment, { policy, rollout });
  if (rollBackTo !== undefined) return rollBack(work, plan, rollBackTo);
  const results: StepResult[] = [];
  for (const step of plan.steps) results.push(await executeStep({ ...work, nodes }, step));
  const status = deploymentStatus(deployment, factsOf(deployment, plan, results, context.clock.now()));
  await writeStatus(work, status);
  const failed = results.find((result) => result.type === 'failed');
  if (failed) throw failed.cause;
  const deadline = deadlineMs(deployment, status) ?? Number.POSITIVE_INFINITY;
  const dueMs = Math.min(Math.max(1000, deadline - context.clock.now()), changesAtMs - context.clock.now());
  return Number.isFinite(dueMs) ? { requeueAfterMs: Math.max(1, dueMs) } : undefined;
}

function rulesOf(
  { context, deployment, policies }: Work,
  policy: PolicyOf,
  sets: readonly Readonly<ReplicaSet>[],
): DeploymentRules | 'held' | undefined {
  if (policy === 'none') return undefined;
  if (policy === 'held') return policy;
  const pods = context.cache.informer(podKind);
  const nodes = context.cache.informer(nodeKind);
  return {
    policy,
    before: policies.rolloutOf(policy, deployment),
    pods: sets.flatMap((set) => [...pods.byIndex(byControllerUid.name, storedMeta(set).uid)]),
    nodeOf: (name) => nodes.get(undefined, name),
    nowMs: context.clock.now(),
  };
}

/** As `kubectl rollout undo` does it; unless somebody has changed the Deployment meanwhile. */
async function rollBack(
  { context, deployment }: Work,
  { oldSets }: DeploymentPlan,
  hash: string,
): Promise<void> {
  const found = oldSets.find((set) => hashOf(set) === hash)?.spec?.template;
  if (!found) return;
  const template = structuredClone(found);
  delete template.metadata?.labels?.[templateHashLabel];
  const { uid, generation } = storedMeta(deployment);
  const change = ({ metadata, spec }: Deployment) => {
    if (metadata?.uid === uid && metadata.generation === generation && spec) spec.template = template;
  };
  await context.registry.mutate(deploymentKind, nameOf(deployment), change).catch(ignoreGone);
}

/** A rollout with a policy depends on single pods and on who is silent; others only on their ReplicaSets. */
function followPods(context: ControllerContext, enqueue: (key: string) => void): void {
  const deployments = context.cache.informer(deploymentKind);
  const replicaSets = context.cache.informer(replicaSetKind);
  const pods = context.cache.informer(podKind);
  const nodes = context.cache.informer(nodeKind);
  addOnce(pods, byNodeName);
  addOnce(pods, byControllerUid);
  const enqueueOwner = (pod: Readonly<Pod>) => {
    const set = replicaSets.getByUid(controllerOf(pod)?.uid ?? '');
    const deployment = set && deployments.getByUid(controllerOf(set)?.uid ?? '');
    if (deployment?.metadata?.annotations?.[rolloutPolicyAnnotation]) enqueue(objectKey(deployment));
  };
  context.follow(pods, ({ object }) => enqueueOwner(object));
  context.follow(nodes, (change) => {
    if (change.type !== 'updated' || isSilent(change.old) === isSilent(change.object)) return;
    for (const pod of pods.byIndex(byNodeName.name, storedMeta(change.object).name)) enqueueOwner(pod);
  });
}

function factsOf(
  deployment: Readonly<Deployment>,
  { newSet, oldSets, gate }: DeploymentPlan,
  results: readonly StepResult[],
  nowMs: number,
): StatusFacts {
  const created = results.find((result) => result.type === 'created')?.set;
  const failed = results.find((result) => result.type === 'failed');
  const collided = results.some((result) => result.type === 'collided');
  const known = deployment.status?.conditions?.some((condition) => condition.type === 'Progressing');
  const collisionCount = (deployment.status?.collisionCount ?? 0) + (collided ? 1 : 0);
  const set = created ?? newSet;
  const facts: StatusFacts = { newSet: set, oldSets, collisionCount, nowMs, rollout: gate.rollout };
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
