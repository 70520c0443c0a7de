import { backoffMs } from '../../lib/backoff.ts';
import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';

/**
 * Which nodes refused a pod, remembered on the pod itself: `board-7=2/2026-01-01T00:01:00Z` was refused twice by
 * board-7 and is not offered to it again before that time. A refusal ends, for what caused it may (a full disk, a
 * missing runtime); it holds longer each time, so that a device that always refuses costs next to no traffic.
 */
export interface Refusal {
  readonly node: string;
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly untilMs: number;
}

export const refusedByAnnotation = 'flotilla.dev/refused-by';

const hold = { baseMs: 30_000, capMs: 3_600_000 };
/** A pod refused by more nodes than this forgets the earliest refusal, so that its annotations stay small. */
const refusalsMax = 32;

/** The latest last. What is not in the form above is not there. */
export function refusalsOf({ metadata }: Readonly<KubernetesObject>): readonly Refusal[] {
  const text = metadata?.annotations?.[refusedByAnnotation];
  if (!text) return [];
  return text.split(',').flatMap((entry) => {
    const [, node, count, until] = /^([^=]+)=(\d{1,9})\/(.+)$/.exec(entry) ?? [];
    const untilMs = Date.parse(until ?? '');
    if (node === undefined || Number.isNaN(untilMs)) return [];
    const sinceMs = untilMs - backoffMs(Number(count), hold);
    return { node, count: Number(count), sinceMs, untilMs };
  });
}

/** Notes on `pod`, in place, that `node` refused it now. */
export function addRefusal(pod: KubernetesObject, node: string, nowMs: number): void {
  const before = refusalsOf(pod);
  const count = (before.find((refusal) => refusal.node === node)?.count ?? 0) + 1;
  const entries = [
    ...before.filter((refusal) => refusal.node !== node),
    { node, count, untilMs: nowMs + backoffMs(count, hold) },
  ];
  (pod.metadata ??= {}).annotations = {
    ...pod.metadata.annotations,
    [refusedByAnnotation]: entries
      .slice(-refusalsMax)
      .map((refusal) => `${refusal.node}=${refusal.count}/${timestamp(refusal.untilMs)}`)
      .join(','),
  };
}
