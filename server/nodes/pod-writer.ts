import type { Pod, PodCondition, PodStatus } from '../../protocol/generated/models.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { isStatus, StatusError } from '../../protocol/status.ts';
import type { PodReport } from '../../protocol/topics/sync.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * Writes one report of a device into the pod it is about. A device reaches only pods that are bound to it, under
 * the UID it names; a report about any other changes nothing and counts as done.
 */
export async function writePodReport(registry: Registry, node: string, report: PodReport): Promise<void> {
  try {
    if (report.removed) await finishRemoval(registry, node, report);
    else if (report.refused) await refuse(registry, node, report, report.refused);
    else if (report.status) await writeStatus(registry, node, report, report.status);
  } catch (error) {
    if (!isStatus(error, 'NotFound')) throw error;
  }
}

/** The device will report it until it is acknowledged; an answer that cannot change must not be asked for again. */
export function isPermanent(error: unknown): boolean {
  return ['Invalid', 'BadRequest', 'Forbidden', 'RequestEntityTooLarge'].some(
    (reason) => error instanceof StatusError && error.reason === reason,
  );
}

function writeStatus(
  registry: Registry,
  node: string,
  report: PodReport,
  status: PodStatus,
): Promise<unknown> {
  return changeStatus(registry, node, report, (old) => {
    // A pod that ended stays ended (kubelet and API agree on this), e.g. when a device lost its memory and ran it
    // again.
    if (isTerminal(old.phase) && old.phase !== status.phase) return old;
    return mergeStatus(old, status);
  });
}

/** The last word about a pod: the device has nothing left of it. */
async function finishRemoval(registry: Registry, node: string, report: PodReport): Promise<void> {
  const { namespace, name, uid } = report;
  const pod = await registry.get<Pod>(podKind, { namespace, name });
  if (pod.metadata?.uid !== uid || pod.spec?.nodeName !== node) return;
  if (pod.metadata.deletionTimestamp) {
    await deletePod(registry, report);
    return;
  }
  // Nobody asked for the removal, so the store is an older one than the device has seen: a UID that was torn down
  // does not run again.
  await changeStatus(registry, node, report, (old) =>
    isTerminal(old.phase)
      ? old
      : {
          ...old,
          phase: 'Failed',
          reason: 'TornDown',
          message: 'The device has torn this pod down for good.',
        },
  );
}

async function deletePod(registry: Registry, { namespace, name, uid }: PodReport): Promise<void> {
  try {
    const preconditions = { uid };
    await registry.delete<Pod>(podKind, { namespace, name }, { gracePeriodSeconds: 0, preconditions });
  } catch (error) {
    // Another pod has the name by now.
    if (!isStatus(error, 'Conflict')) throw error;
  }
}

/** A pod that the scheduler placed goes back to it; one that a user placed here fails, as on a kubelet. */
async function refuse(
  registry: Registry,
  node: string,
  report: PodReport,
  { reason, message }: { reason: string; message: string },
): Promise<void> {
  const { namespace, name, uid } = report;
  const pod = await registry.get<Pod>(podKind, { namespace, name });
  if (pod.metadata?.uid !== uid || pod.spec?.nodeName !== node) return;
  if (pod.metadata.deletionTimestamp) return deletePod(registry, report);
  const scheduled = pod.status?.conditions?.some(
    ({ type, status }) => type === 'PodScheduled' && status === 'True',
  );
  if (scheduled) {
    await registry.unbind({ namespace, name }, { podUid: uid, node, reason, message });
    return;
  }
  await changeStatus(registry, node, report, (old) =>
    isTerminal(old.phase)
      ? old
      : { ...old, phase: 'Failed', reason, message: `Pod was rejected: ${message}` },
  );
}

function changeStatus(
  registry: Registry,
  node: string,
  { namespace, name, uid }: PodReport,
  change: (old: PodStatus) => PodStatus,
): Promise<Pod> {
  return registry.mutate<Pod>(
    podKind,
    { namespace, name },
    (draft) => {
      if (draft.metadata?.uid !== uid || draft.spec?.nodeName !== node) return;
      draft.status = change(draft.status ?? {});
    },
    { subresource: 'status' },
  );
}

/** The device's status over what only the server says. */
function mergeStatus(old: PodStatus, reported: PodStatus): PodStatus {
  const kept: PodStatus = {};
  if (old.qosClass !== undefined) kept.qosClass = old.qosClass;
  if (old.nominatedNodeName !== undefined) kept.nominatedNodeName = old.nominatedNodeName;
  const conditions = mergeConditions(old.conditions ?? [], reported.conditions ?? []);
  return { ...kept, ...reported, ...(conditions.length > 0 ? { conditions } : {}) };
}

/** What only a device says, and takes back by silence. */
const passing = new Set(['PodResizePending', 'PodResizeInProgress']);

/** Other conditions that the device does not speak of are somebody else's: PodScheduled, readiness gates. */
function mergeConditions(old: readonly PodCondition[], reported: readonly PodCondition[]): PodCondition[] {
  const others = old.filter(
    ({ type }) => !passing.has(type) && reported.every((condition) => condition.type !== type),
  );
  return [...others, ...reported];
}

function isTerminal(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}
