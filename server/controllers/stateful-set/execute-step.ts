import type {
  ControllerRevision,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
} from '../../../protocol/generated/models.ts';
import { persistentVolumeClaimKind } from '../../../protocol/kinds/persistent-volume-claim.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { statefulSetKind } from '../../../protocol/kinds/stateful-set.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { type Revisions, revisionTemplate } from '../controller-revisions.ts';
import type { ControllerContext } from '../define-controller.ts';
import { ignoreGone, isNamespaceEnding, messageOf } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import { setReferences } from '../owner-references.ts';
import type { WriteFence } from '../write-fence.ts';
import { buildClaims, buildPod, giveIdentity, podName } from './ordinals.ts';
import type { StatefulSetStep } from './plan.ts';

export interface StepWork {
  context: ControllerContext;
  set: Readonly<StatefulSet>;
  key: string;
  podFence: WriteFence<Pod>;
  claimFence: WriteFence<PersistentVolumeClaim>;
  claimNamed: (name: string) => Readonly<PersistentVolumeClaim> | undefined;
  current: Readonly<ControllerRevision>;
  revisions: Revisions;
}

export async function executeStep(work: StepWork, step: StatefulSetStep): Promise<void> {
  switch (step.type) {
    case 'create':
      return createPod(work, step);
    case 'createClaims':
      return createClaims(work, step.ordinal);
    case 'remove':
      return removePod(work, step);
    case 'identify': {
      const { uid } = storedMeta(step.pod);
      const written = await work.context.registry
        .mutate(podKind, nameOf(step.pod), (draft) => {
          if (draft.metadata?.uid === uid) giveIdentity(work.set, draft, step.ordinal);
        })
        .catch(ignoreGone);
      if (written) work.podFence.wrote(work.key, written);
      return;
    }
    case 'ownClaim': {
      const { uid } = storedMeta(step.claim);
      const written = await work.context.registry
        .mutate(persistentVolumeClaimKind, nameOf(step.claim), (draft) => {
          if (draft.metadata?.uid === uid) setReferences(draft, step.owners);
        })
        .catch(ignoreGone);
      if (written) work.claimFence.wrote(work.key, written);
      return;
    }
  }
}

async function createPod(
  work: StepWork,
  { ordinal, revision }: { ordinal: number; revision: string },
): Promise<void> {
  const { context, set, current, revisions } = work;
  const of = storedMeta(current).name === revision ? current : revisions.newest;
  const name = podName(set, ordinal);
  try {
    await createClaims(work, ordinal);
    const wanted = buildPod(set, { ordinal, template: revisionTemplate(of), revision });
    work.podFence.wrote(work.key, await context.registry.create(podKind, wanted));
  } catch (error) {
    if (isNamespaceEnding(error)) return;
    tellFailure(work, 'Create', `create Pod ${name}`, error);
    throw error;
  }
  tell(work, 'SuccessfulCreate', `create Pod ${name} in StatefulSet ${storedMeta(set).name} successful`);
}

async function createClaims(work: StepWork, ordinal: number): Promise<void> {
  const pod = podName(work.set, ordinal);
  for (const claim of buildClaims(work.set, ordinal)) {
    const { name = '' } = claim.metadata ?? {};
    const found = work.claimNamed(name);
    if (found?.metadata?.deletionTimestamp !== undefined) throw new Error(`pvc ${name} is being deleted`);
    if (!found) await createClaim(work, { claim, name, pod });
  }
}

async function createClaim(
  work: StepWork,
  { claim, name, pod }: { claim: PersistentVolumeClaim; name: string; pod: string },
): Promise<void> {
  const what = `create Claim ${name} Pod ${pod}`;
  try {
    work.claimFence.wrote(work.key, await work.context.registry.create(persistentVolumeClaimKind, claim));
  } catch (error) {
    if (isStatus(error, 'AlreadyExists')) return;
    tellFailure(work, 'Create', what, error);
    throw error;
  }
  tell(work, 'SuccessfulCreate', `${what} in StatefulSet ${storedMeta(work.set).name} success`);
}

async function removePod(
  work: StepWork,
  { pod, why }: Extract<StatefulSetStep, { type: 'remove' }>,
): Promise<void> {
  const { context, set, key } = work;
  const { name, namespace, uid } = storedMeta(pod);
  const owner = storedMeta(set).name;
  if (why === 'failed' || why === 'succeeded') {
    const [type, reason, word] =
      why === 'failed'
        ? (['Warning', 'RecreatingFailedPod', 'failed'] as const)
        : (['Normal', 'RecreatingTerminatedPod', 'terminated'] as const);
    const message = `StatefulSet ${namespace}/${owner} is recreating ${word} Pod ${name}`;
    context.events.record(statefulSetKind, set, { type, reason, message });
  }
  try {
    const preconditions = { uid };
    const deleted = await context.registry.delete(podKind, nameOf(pod), { preconditions }).catch(ignoreGone);
    work.podFence.deleted(key, uid);
    if (deleted) tell(work, 'SuccessfulDelete', `delete Pod ${name} in StatefulSet ${owner} successful`);
  } catch (error) {
    tellFailure(work, 'Delete', `delete Pod ${name}`, error);
    throw error;
  }
}

function tell({ context, set }: StepWork, reason: string, message: string): void {
  context.events.record(statefulSetKind, set, { type: 'Normal', reason, message });
}

function tellFailure(
  { context, set }: StepWork,
  verb: 'Create' | 'Delete',
  what: string,
  error: unknown,
): void {
  const message = `${what} in StatefulSet ${storedMeta(set).name} failed error: ${messageOf(error)}`;
  context.events.record(statefulSetKind, set, { type: 'Warning', reason: `Failed${verb}`, message });
}
