import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { KindChange, KindSet } from '../../protocol/kinds/kind-set.ts';
import type { Cache, CacheChange, Informer } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';

/**
 * A controller is one file with one `defineController` and one line in `controllers/registry.ts`. Its setup follows
 * informers and queues keys; its reconcile brings one key closer to what is desired. Decisions stand in pure `plan`
 * functions beside it; reconcile reads the cache, plans, and carries the steps out.
 */
export interface ControllerDefinition {
  name: string;
  /** Keys worked side by side. */
  workers: number;
  /** Its context reaches the objects of other servers, too, those behind APIServices. */
  everywhere?: true;
  setup(context: ControllerContext, enqueue: (key: string) => void): Reconcile;
}

/** Throwing re-queues the key with back-off. Reconciling a key whose object is gone must succeed. */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<{ requeueAfterMs?: number } | void>;

export interface ControllerContext {
  registry: Registry;
  cache: Cache;
  /** Those that are stored: no views of others, so that each object is seen once. */
  kinds: KindSet;
  /** Group versions of other servers that do not answer now; nobody's where the controller does not reach them. */
  silent: () => readonly string[];
  /** Hears how the set of kinds changes, until the controllers stop. */
  followKinds: (handler: (change: KindChange) => void) => void;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  /** Hears every change until the controllers stop; what is there already is replayed as added. */
  follow: Follow;
}

export type Follow = <T extends KubernetesObject>(
  informer: Informer<T>,
  handler: (change: CacheChange<T>) => void,
) => void;

export function defineController(definition: ControllerDefinition): ControllerDefinition {
  return definition;
}
