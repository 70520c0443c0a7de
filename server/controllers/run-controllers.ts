import type { QueueMetrics } from '../../lib/queue-metrics.ts';
import { WorkQueue } from '../../lib/work-queue.ts';
import { withoutViews } from '../../protocol/kinds/kind-set.ts';
import { isStatus } from '../../protocol/status.ts';
import type { ControllerContext, ControllerDefinition, Follow } from './define-controller.ts';

const backoff = { baseMs: 20, capMs: 60_000 };

/** What controllers are run with. */
type RunContext = Omit<ControllerContext, 'follow' | 'followKinds' | 'silent'> & {
  queueMetrics?: QueueMetrics;
  /** What controllers see that concern the objects of other servers, too. */
  everywhere?: Reach;
};

type Reach = Pick<ControllerContext, 'registry' | 'cache' | 'kinds' | 'silent'>;

export interface RunningControllers extends AsyncDisposable {
  /** Resolves when no key is waiting or being worked. */
  idle(): Promise<void>;
}

/**
 * Runs the controllers until disposed. All are set up first, so that the informers they share fill side by side;
 * resolves once those hold their first lists and the work has begun. Rejects when the cache is stopped before.
 */
export async function runControllers(
  definitions: readonly ControllerDefinition[],
  context: RunContext,
): Promise<RunningControllers> {
  const subscriptions = new DisposableStack();
  const { registry, cache, kinds } = context;
  const here: Reach = { registry, cache, kinds: withoutViews(kinds), silent: () => [] };
  const everywhere = context.everywhere
    ? { ...context.everywhere, kinds: withoutViews(context.everywhere.kinds) }
    : here;
  const prepared = definitions.map((definition) => {
    const reach = definition.everywhere ? everywhere : here;
    return prepare(definition, { ...context, ...reach }, subscriptions);
  });
  try {
    await context.cache.synced();
  } catch (error) {
    subscriptions.dispose();
    throw error;
  }
  const queues = prepared.map((start) => start());
  return {
    async idle() {
      while (queues.some(({ depth }) => depth > 0)) await Promise.all(queues.map((queue) => queue.idle()));
    },
    async [Symbol.asyncDispose]() {
      subscriptions.dispose();
      await Promise.all(queues.map((queue) => queue.stop()));
    },
  };
}

/** Sets one controller up; what it returns starts its work. */
function prepare(
  definition: ControllerDefinition,
  context: RunContext & Reach,
  subscriptions: DisposableStack,
): () => WorkQueue {
  const log = context.log.child({ controller: definition.name });
  const events = context.events.from(`${definition.name}-controller`);
  // Keys queued before every informer holds its first list wait here: a half-filled cache would mislead a plan.
  const early = new Set<string>();
  let enqueue = (key: string): void => void early.add(key);
  const follow: Follow = (informer, handler) => {
    subscriptions.use(informer.onChange(handler));
  };
  const followKinds: ControllerContext['followKinds'] = (handler) => {
    subscriptions.use(context.kinds.onChange(handler));
  };
  const work = definition.setup({ ...context, log, events, follow, followKinds }, (key) => enqueue(key));
  return () => {
    const measure = context.queueMetrics?.measure(definition.name, () => queue.depth);
    const queue: WorkQueue = new WorkQueue({
      ...(measure ? { measure } : {}),
      clock: context.clock,
      workers: definition.workers,
      backoff,
      work,
      onError: (key, error, failures) => {
        // A conflict only says that the cache was behind; the next try sees the newer object.
        const level = isStatus(error, 'Conflict') ? 'debug' : 'warn';
        log[level]('reconcile failed', { key, error, failures });
      },
    });
    enqueue = (key) => queue.add(key);
    for (const key of early) queue.add(key);
    early.clear();
    return queue;
  };
}
