import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { Cache } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * A controller is one file with one `defineController` and one line in `controllers/registry.ts`. Its setup subscribes to
 * informers and queues keys; its reconcile brings one key closer to what is desired. Decisions stand in pure `plan`
 * functions beside it; reconcile reads the cache, plans, and carries the steps out.
 */
export interface ControllerDefinition {
  name: string;
  /** Keys worked side by side. */
  workers: number;
  setup(context: ControllerContext, enqueue: (key: string) => void): Reconcile;
}

/** Throwing re-queues the key with back-off. Reconciling a key whose object is gone must succeed. */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<{ requeueAfterMs?: number } | void>;

export interface ControllerContext {
  registry: Registry;
  cache: Cache;
  kinds: readonly KindDefinition[];
  clock: Clock;
  random: Random;
  log: Logger;
  events: EventRecorder;
}

export function defineController(definition: ControllerDefinition): ControllerDefinition {
  return definition;
}
