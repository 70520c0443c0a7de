import type { Node, Taint, Toleration } from '../../../protocol/generated/models.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import { tolerates } from '../../../protocol/tolerations.ts';

const prefix = 'node.kubernetes.io/';

/** Conditions that mean a taint while they are True. */
const pressures: Readonly<Record<string, string>> = {
  MemoryPressure: `${prefix}memory-pressure`,
  DiskPressure: `${prefix}disk-pressure`,
  PIDPressure: `${prefix}pid-pressure`,
  NetworkUnavailable: `${prefix}network-unavailable`,
};

const managedTaints = new Set([
  `${prefix}not-ready`,
  `${prefix}unreachable`,
  `${prefix}unschedulable`,
  ...Object.values(pressures),
]);

/**
 * The taints a node should carry (Kubernetes' TaintNodesByCondition); those of people stay as they are, but for the
 * time from which a NoExecute taint counts: it is written down when it is first seen, so that it outlives a
 * restart.
 */
export function planTaints(node: Readonly<Node>, nowMs: number): Taint[] {
  const current = node.spec?.taints ?? [];
  const statusOf = (type: string) => node.status?.conditions?.find((entry) => entry.type === type)?.status;
  const ready = statusOf('Ready');
  const wanted: Pick<Taint, 'key' | 'effect'>[] = [];
  if (ready === 'False') wanted.push(...schedulingAndExecution(`${prefix}not-ready`));
  if (ready === 'Unknown') wanted.push(...schedulingAndExecution(`${prefix}unreachable`));
  if (node.spec?.unschedulable) wanted.push({ key: `${prefix}unschedulable`, effect: 'NoSchedule' });
  for (const [type, key] of Object.entries(pressures)) {
    if (statusOf(type) === 'True') wanted.push({ key, effect: 'NoSchedule' });
  }
  const own = wanted.map(
    ({ key, effect }) =>
      current.find((taint) => taint.key === key && taint.effect === effect) ?? { key, effect },
  );
  const others = current.filter(({ key }) => !managedTaints.has(key ?? ''));
  return [...others, ...own].map((taint) =>
    taint.effect === 'NoExecute' && taint.timeAdded === undefined
      ? { ...taint, timeAdded: timestamp(nowMs) }
      : taint,
  );
}

export function isReady({ status }: Pick<Readonly<Node>, 'status'>): boolean {
  return status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}

/** Whether the taint says that nothing is heard of the node, or nothing good. */
export function isSilenceTaint({ key }: Readonly<Taint>): boolean {
  return key === `${prefix}unreachable` || key === `${prefix}not-ready`;
}

function schedulingAndExecution(key: string): Pick<Taint, 'key' | 'effect'>[] {
  return [
    { key, effect: 'NoSchedule' },
    { key, effect: 'NoExecute' },
  ];
}

/**
 * When a pod must leave a node with these taints: milliseconds since 1970, or undefined for never. Of several
 * tolerations for one taint the first counts, as in Kubernetes.
 */
export function evictionTimeMs(
  tolerations: readonly Toleration[],
  taints: readonly Taint[],
  nowMs: number,
): number | undefined {
  let earliest: number | undefined;
  for (const taint of taints) {
    if (taint.effect !== 'NoExecute') continue;
    const toleration = tolerations.find((candidate) => tolerates(candidate, taint));
    if (!toleration) return nowMs;
    if (toleration.tolerationSeconds === undefined) continue;
    const since = taint.timeAdded === undefined ? nowMs : Date.parse(taint.timeAdded);
    const until = since + Math.max(0, toleration.tolerationSeconds) * 1000;
    earliest = Math.min(earliest ?? until, until);
  }
  return earliest;
}
