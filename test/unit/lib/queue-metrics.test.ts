import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../../../lib/metrics.ts';
import { createQueueMetrics } from '../../../lib/queue-metrics.ts';
import { WorkQueue } from '../../../lib/work-queue.ts';
import { ManualClock } from '../../support/manual-clock.ts';

test('a work queue tells what was added, how long it waited and worked, and what comes again', async () => {
  const clock = new ManualClock();
  const metrics = createMetrics();
  let failing = true;
  const measure = createQueueMetrics(metrics).measure('pods', () => queue.depth);
  const queue: WorkQueue = new WorkQueue({
    clock,
    workers: 1,
    backoff: { baseMs: 1_000, capMs: 1_000 },
    measure,
    work: async () => {
      if (failing) throw new Error('not yet');
    },
  });
  queue.add('a');
  queue.add('b');
  queue.add('b');
  const during = await metrics.text();
  assert.match(during, /^workqueue_depth\{name="pods"\} 2$/m);
  assert.match(during, /^workqueue_adds_total\{name="pods"\} 2$/m);
  await queue.idle();
  failing = false;
  const after = await metrics.text();
  assert.match(after, /^workqueue_retries_total\{name="pods"\} 2$/m);
  assert.match(after, /^workqueue_queue_duration_seconds_count\{name="pods"\} 2$/m);
  assert.match(after, /^workqueue_work_duration_seconds_count\{name="pods"\} 2$/m);
  assert.match(after, /^workqueue_depth\{name="pods"\} 0$/m);
  await queue.stop();
});
