import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Event } from '../../protocol/generated/models.ts';
import {
  apiVersionOf,
  type KindDefinition,
  type KubernetesObject,
} from '../../protocol/kinds/define-kind.ts';
import { eventKind } from '../../protocol/kinds/event.ts';
import { storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import { createEventLimits, type EventLimits } from './event-limits.ts';
import type { Registry } from './registry.ts';

/**
 * Tells people what happened to an object. There is one recorder in a server; `from` gives it another voice, under
 * the same limits. An occurrence that repeats is counted in the Event that is there, also one from before a
 * restart, for an Event's name follows from what it says. Events are best effort: one that cannot be written is
 * logged and forgotten, and recording never delays the caller.
 */
export interface EventRecorder {
  record<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    object: Readonly<T>,
    occurrence: Occurrence,
  ): void;
  /** The same recorder, speaking for another component. */
  from(component: string): EventRecorder;
  /** Resolves when nothing is waiting or being written. */
  idle(): Promise<void>;
}

export interface Occurrence {
  type: 'Normal' | 'Warning';
  /** CamelCase, as Kubernetes names it. */
  reason: string;
  message: string;
  /** Who says so when it is not the recorder's own component, e.g. the agent of a node. */
  source?: EventSource;
}

export interface EventSource {
  component: string;
  host?: string;
}

/** Different events waiting to be written; more are dropped: a flood must not become a backlog. */
const pendingMax = 1000;
const writesMax = 8;
const messageCharactersMax = 1024;
const objectNameCharactersMax = 200;

export interface EventRecorderOptions {
  registry: Registry;
  clock: Clock;
  log: Logger;
  component: string;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const writer = new EventWriter(options);
  const limits = createEventLimits(options.clock);
  const speakingFor = (component: string): EventRecorder => ({
    record(kind, object, { source = { component }, ...occurrence }) {
      if (!writer.hasRoom) return writer.drop();
      const about = aboutObject(kind, object);
      const event = admit(limits, { ...occurrence, source, about });
      if (event) writer.add(event, storedMeta(object).name);
    },
    from: speakingFor,
    idle: () => writer.idle(),
  });
  return speakingFor(options.component);
}

type Involved = NonNullable<Event['involvedObject']>;

interface Told extends Omit<Occurrence, 'source'> {
  source: EventSource;
  about: Involved;
}

/** What shall be written of an occurrence, or undefined when its object has had enough. */
function admit(limits: EventLimits, told: Told): (Told & { identity: string }) | undefined {
  const { source, about, type, reason } = told;
  const speaker = `${source.component}/${source.host ?? ''}`;
  const uid = about.uid ?? '';
  if (!limits.admits(speaker, uid)) return undefined;
  const message = told.message.slice(0, messageCharactersMax);
  const group = [speaker, uid, type, reason].join('\0');
  return limits.isOneOfMany(group, message)
    ? { ...told, message: `(combined from similar events): ${message}`, identity: group }
    : { ...told, message, identity: `${group}\0${message}` };
}

function aboutObject<T extends KubernetesObject>(kind: KindDefinition<T>, object: Readonly<T>): Involved {
  const { namespace, name, uid, resourceVersion } = storedMeta(object);
  return {
    kind: kind.kind,
    apiVersion: apiVersionOf(kind),
    ...(namespace === undefined ? {} : { namespace }),
    name,
    uid,
    resourceVersion,
  };
}

interface Pending {
  event: Event;
  count: number;
  firstMs: number;
  lastMs: number;
}

/** One slot for each different event that waits; a repetition only counts. */
class EventWriter {
  readonly #options: Omit<EventRecorderOptions, 'component'>;
  readonly #pending = new Map<string, Pending>();
  #writing = 0;
  #dropped = 0;
  #idleWaiters: (() => void)[] = [];

  constructor(options: Omit<EventRecorderOptions, 'component'>) {
    this.#options = options;
  }

  get hasRoom(): boolean {
    return this.#pending.size < pendingMax;
  }

  drop(): void {
    this.#dropped += 1;
  }

  add(told: Told & { identity: string }, objectName: string): void {
    const event = eventOf(told, objectName);
    const key = `${event.metadata.namespace}/${event.metadata.name}`;
    const now = this.#options.clock.now();
    const waiting = this.#pending.get(key);
    if (waiting) {
      waiting.count += 1;
      waiting.lastMs = now;
      waiting.event.message = told.message;
      return;
    }
    this.#pending.set(key, { event, count: 1, firstMs: now, lastMs: now });
    this.#pump();
  }

  idle(): Promise<void> {
    if (this.#writing === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  #pump(): void {
    for (const [key, pending] of this.#pending) {
      if (this.#writing >= writesMax) return;
      this.#pending.delete(key);
      this.#writing += 1;
      void this.#write(pending);
    }
  }

  async #write(pending: Pending): Promise<void> {
    const { registry, log } = this.#options;
    try {
      await writeEvent(registry, pending);
    } catch (error) {
      // An event about an object that goes down with its namespace.
      const expected = isStatus(error, 'NotFound') || isStatus(error, 'Forbidden');
      log[expected ? 'debug' : 'warn']('event not written', { reason: pending.event.reason, error });
    }
    this.#writing -= 1;
    this.#pump();
    if (this.#writing > 0) return;
    if (this.#dropped > 0) log.warn('events dropped', { count: this.#dropped });
    this.#dropped = 0;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }
}

function eventOf(
  { about, source, identity, type, reason, message }: Told & { identity: string },
  objectName: string,
): Event {
  const digest = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  return {
    // As in Kubernetes, events of cluster-scoped objects live in `default`.
    metadata: { namespace: about.namespace ?? 'default', name: `${shortened(objectName)}.${digest}` },
    involvedObject: about,
    type,
    reason,
    message,
    source: { component: source.component, ...(source.host === undefined ? {} : { host: source.host }) },
    reportingComponent: source.component,
    reportingInstance: source.host ?? '',
  };
}

/** Leaves room for the digest within a name. */
function shortened(name: string): string {
  return name.slice(0, objectNameCharactersMax).replace(/[-.]+$/, '');
}

async function writeEvent(registry: Registry, { event, count, firstMs, lastMs }: Pending): Promise<void> {
  const lastTimestamp = timestamp(lastMs);
  const at = { namespace: event.metadata.namespace ?? 'default', name: event.metadata.name ?? '' };
  try {
    await registry.create(eventKind, { ...event, count, firstTimestamp: timestamp(firstMs), lastTimestamp });
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    await registry.mutate(eventKind, at, (draft) => {
      draft.count = (draft.count ?? 1) + count;
      draft.lastTimestamp = lastTimestamp;
      if (event.message !== undefined) draft.message = event.message;
    });
  }
}
