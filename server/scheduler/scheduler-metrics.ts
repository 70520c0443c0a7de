import type { Metrics } from '../../lib/metrics.ts';

/** Counts attempts to place a pod; a scheduled one has ended when its binding is stored. */
export interface Attempts {
  ended(result: 'scheduled' | 'unschedulable' | 'error', elapsedMs: number): void;
}

/** The scheduler under the names of kube-scheduler's metrics. */
export function measureAttempts(
  metrics: Metrics,
  profile: string,
  pending: () => Readonly<Record<'active' | 'backoff' | 'unschedulable', number>>,
): Attempts {
  metrics.read({
    name: 'scheduler_pending_pods',
    help: 'Pods to be placed, by the queue they wait in.',
    labels: ['queue'],
    type: 'gauge',
    values: () => Object.entries(pending()).map(([queue, value]) => ({ labels: [queue], value })),
  });
  const labels = ['result', 'profile'];
  const total = metrics.counter({
    name: 'scheduler_schedule_attempts_total',
    help: 'Attempts to place a pod, by what came of them.',
    labels,
  });
  const seconds = metrics.histogram({
    name: 'scheduler_scheduling_attempt_duration_seconds',
    help: 'Time of an attempt with its binding, in seconds.',
    labels,
    buckets: Array.from({ length: 15 }, (_, at) => 0.001 * 2 ** at),
  });
  return {
    ended(result, elapsedMs) {
      total.of(result, profile).add();
      seconds.of(result, profile).observe(elapsedMs / 1_000);
    },
  };
}
