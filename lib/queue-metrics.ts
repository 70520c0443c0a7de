import type { Metrics } from './metrics.ts';
import type { WorkQueueMeasure } from './work-queue.ts';

/** Work queues under the names of Kubernetes' workqueue metrics. */
export interface QueueMetrics {
  /** What a queue counts with; its `depth` is asked for at each scrape. A name belongs to one queue at a time. */
  measure(name: string, depth: () => number): WorkQueueMeasure;
}

export function createQueueMetrics(metrics: Metrics): QueueMetrics {
  const labels = ['name'];
  const adds = metrics.counter({ name: 'workqueue_adds_total', help: 'Keys added.', labels });
  const retries = metrics.counter({
    name: 'workqueue_retries_total',
    help: 'Keys that come again because working them failed.',
    labels,
  });
  const waited = metrics.histogram({
    name: 'workqueue_queue_duration_seconds',
    help: 'How long a key waits before it is worked, in seconds.',
    labels,
    buckets,
  });
  const worked = metrics.histogram({
    name: 'workqueue_work_duration_seconds',
    help: 'How long working a key takes, in seconds.',
    labels,
    buckets,
  });
  const depths = new Map<string, () => number>();
  metrics.read({
    name: 'workqueue_depth',
    help: 'Keys waiting or being worked.',
    labels,
    type: 'gauge',
    values: () => [...depths].map(([name, depth]) => ({ labels: [name], value: depth() })),
  });
  return {
    measure(name, depth) {
      depths.set(name, depth);
      return {
        added: () => adds.of(name).add(),
        retried: () => retries.of(name).add(),
        started: (waitedMs) => waited.of(name).observe(waitedMs / 1_000),
        finished: (workedMs) => worked.of(name).observe(workedMs / 1_000),
      };
    },
  };
}

const buckets = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1, 10];
