import type { DaemonSet, Pod } from '../../../protocol/generated/models.ts';
import { resolveIntOrPercent } from '../../../protocol/kinds/int-or-percent.ts';
import { failedSilently, isGoing, type NodeRecord, type PodJudge } from './node-record.ts';
import type { RolloutGate } from './rollout-gate.ts';

/**
 * One step of an update of pods that stand one on each node. Without surge old pods are deleted, and making the new
 * ones is another round's work; with surge new ones are made beside the old. Pods that serve nothing as it is are
 * replaced at once, for that costs nothing (source: pkg/controller/daemon, rollingUpdate).
 */
export interface UpdateStep {
  create: string[];
  remove: Readonly<Pod>[];
}

export function planRollingUpdate(
  daemonSet: Readonly<DaemonSet>,
  records: readonly NodeRecord[],
  { judge, gate, desired }: { judge: PodJudge; gate: RolloutGate; desired: number },
): UpdateStep {
  const { maxSurge, maxUnavailable } = boundsOf(daemonSet, desired);
  const parts = { judge, gate };
  return maxSurge > 0 ? surge(records, parts, maxSurge) : replace(records, parts, maxUnavailable);
}

function boundsOf(
  { spec }: Readonly<DaemonSet>,
  desired: number,
): { maxSurge: number; maxUnavailable: number } {
  const { rollingUpdate } = spec?.updateStrategy ?? {};
  const maxSurge = resolveIntOrPercent(rollingUpdate?.maxSurge ?? 0, desired, Math.ceil);
  const maxUnavailable = resolveIntOrPercent(rollingUpdate?.maxUnavailable ?? 1, desired, Math.ceil);
  // A percentage of no nodes is nothing; the first that comes shall be updated all the same.
  return { maxSurge, maxUnavailable: maxSurge === 0 ? Math.max(1, maxUnavailable) : maxUnavailable };
}

/** The pods of a node that are not on their way out; undefined when there is more than one of a kind. */
function pairOf({ pods }: NodeRecord, judge: PodJudge) {
  const staying = pods.filter((pod) => !isGoing(pod));
  const updated = staying.filter(judge.isUpdated);
  const outdated = staying.filter((pod) => !judge.isUpdated(pod));
  if (updated.length > 1 || outdated.length > 1) return undefined;
  return { updated: updated[0], outdated: outdated[0] };
}

interface UpdateParts {
  judge: PodJudge;
  gate: RolloutGate;
}

function replace(
  records: readonly NodeRecord[],
  { judge, gate }: UpdateParts,
  maxUnavailable: number,
): UpdateStep {
  let unavailable = 0;
  const free: Readonly<Pod>[] = [];
  const candidates: Readonly<Pod>[] = [];
  for (const record of records) {
    if (record.silent) {
      if (failedSilently(record, judge)) unavailable += 1;
      continue;
    }
    if (!record.fit.shouldRun && record.pods.length === 0) continue;
    const pair = pairOf(record, judge);
    if (!pair || Boolean(pair.updated) === Boolean(pair.outdated)) unavailable += 1;
    else if (pair.updated) unavailable += judge.isAvailable(pair.updated) ? 0 : 1;
    else if (pair.outdated) {
      const isAvailable = judge.isAvailable(pair.outdated);
      if (gate.mayReplace(record.name)) (isAvailable ? candidates : free).push(pair.outdated);
      else unavailable += isAvailable ? 0 : 1;
    }
  }
  // What is broken already is missing too, though replacing it costs nothing (Kubernetes does not count it).
  const room = Math.max(0, maxUnavailable - unavailable - free.length);
  return { create: [], remove: [...free, ...candidates.slice(0, room)] };
}

function surge(records: readonly NodeRecord[], { judge, gate }: UpdateParts, maxSurge: number): UpdateStep {
  let surging = 0;
  const free: string[] = [];
  const candidates: string[] = [];
  const remove: Readonly<Pod>[] = [];
  for (const record of records) {
    const pair = record.silent ? { updated: undefined, outdated: undefined } : pairOf(record, judge);
    if (!pair) {
      surging += 1;
      continue;
    }
    const { updated, outdated } = pair;
    if (!outdated) {
      surging += failedSilently(record, judge) ? 1 : 0;
    } else if (!updated) {
      if (record.fit.shouldRun && gate.mayReplace(record.name))
        (judge.isAvailable(outdated) ? candidates : free).push(record.name);
    } else if (judge.isAvailable(updated) && gate.mayReplace(record.name)) {
      remove.push(outdated);
    } else {
      surging += 1;
    }
  }
  return { create: [...free, ...candidates.slice(0, Math.max(0, maxSurge - surging))], remove };
}
