import type { Pod } from '../../../protocol/generated/models.ts';
import { quantityMillis } from '../../../protocol/quantity.ts';
import type { PodReadings } from './metric-reading.ts';

/** The target's pods by how far their figures can be believed (source: kube-controller-manager, replica calculator). */
export interface PodGroups {
  readyCount: number;
  /** Not yet working: their CPU says nothing of the load. */
  unready: string[];
  /** They should have a figure and have none. */
  missing: string[];
  /** Failed or on their way out. */
  ignored: string[];
}

/** A starting program burns CPU that nobody asked for. */
const cpuInitializationMs = 5 * 60_000;
/** One that was unready from its start on had never been ready. */
const initialReadinessMs = 30_000;

export function groupPods(
  pods: readonly Readonly<Pod>[],
  readings: PodReadings,
  { resource, nowMs }: { resource: string; nowMs: number },
): PodGroups {
  const groups: PodGroups = { readyCount: 0, unready: [], missing: [], ignored: [] };
  for (const pod of pods) {
    const name = pod.metadata?.name ?? '';
    const phase = pod.status?.phase;
    if (pod.metadata?.deletionTimestamp !== undefined || phase === 'Failed') groups.ignored.push(name);
    else if (phase === 'Pending') groups.unready.push(name);
    else if (!readings.has(name)) groups.missing.push(name);
    else if (resource === 'cpu' && misleads(pod, readings, nowMs)) groups.unready.push(name);
    else groups.readyCount += 1;
  }
  return groups;
}

function misleads(pod: Readonly<Pod>, readings: PodReadings, nowMs: number): boolean {
  const ready = pod.status?.conditions?.find(({ type }) => type === 'Ready');
  const startedMs = Date.parse(pod.status?.startTime ?? '');
  const reading = readings.get(pod.metadata?.name ?? '');
  if (!ready || Number.isNaN(startedMs) || !reading) return true;
  const changedMs = Date.parse(ready.lastTransitionTime ?? '') || 0;
  if (startedMs + cpuInitializationMs > nowMs)
    return ready.status === 'False' || reading.timestampMs < changedMs + reading.windowMs;
  return ready.status === 'False' && startedMs + initialReadinessMs > changedMs;
}

/** What each pod requests of a resource, in thousandths. Throws an Error for a pod that requests none. */
export function podRequests(
  pods: readonly Readonly<Pod>[],
  { resource, container }: { resource: string; container: string | undefined },
): Map<string, number> {
  const requests = new Map<string, number>();
  for (const { metadata, spec } of pods) {
    const lasting = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
    let sum = 0;
    for (const { name, resources } of [...(spec?.containers ?? []), ...lasting]) {
      if (container !== undefined && container !== name) continue;
      const request = resources?.requests?.[resource];
      if (request === undefined)
        throw new Error(
          `missing request for ${resource} in container ${name} of Pod ${metadata?.name ?? ''}`,
        );
      sum += quantityMillis(request);
    }
    requests.set(metadata?.name ?? '', sum);
  }
  return requests;
}
