import { WorkQueue } from '../../lib/work-queue.ts';
import { isStatus } from '../../protocol/status.ts';
import { createEventRecorder } from '../registry/event-recorder.ts';
import type { ControllerContext, ControllerDefinition } from './define-controller.ts';

const backoff = { baseMs: 20, capMs: 60_000 };

/** Runs the controllers until disposed. Resolves once each has been set up and its informers hold their first list. */
export async function runControllers(
  definitions: readonly ControllerDefinition[],
  context: Omit<ControllerContext, 'events'>,
): Promise<AsyncDisposable & { idle(): Promise<void> }> {
  const queues: WorkQueue[] = [];
  for (const definition of definitions) {
    const log = context.log.child({ controller: definition.name });
    const events = createEventRecorder({ ...context, log, component: `${definition.name}-controller` });
    // Keys queued before every informer holds its first list wait here: a half-filled cache would mislead a plan.
    const early = new Set<string>();
    let queue: WorkQueue | undefined;
    const enqueue = (key: string) => {
      if (queue) queue.add(key);
      else early.add(key);
    };
    const reconcile = definition.setup({ ...context, log, events }, enqueue);
    await context.cache.synced();
    queue = new WorkQueue({
      clock: context.clock,
      workers: definition.workers,
      backoff,
      work: reconcile,
      onError: (key, error, failures) => {
        // A conflict only says that the cache was behind; the next try sees the newer object.
        const level = isStatus(error, 'Conflict') ? 'debug' : 'warn';
        log[level]('reconcile failed', { key, error, failures });
      },
    });
    for (const key of early) queue.add(key);
    queues.push(queue);
  }
  return {
    async idle() {
      for (const queue of queues) await queue.idle();
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(queues.map((queue) => queue.stop()));
    },
  };
}
