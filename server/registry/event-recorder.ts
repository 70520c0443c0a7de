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
import type { Registry } from './registry.ts';

/**
 * Tells people what happened to an object. An occurrence that repeats is counted in the Event that is there. Events are
 * best effort: one that cannot be written is logged and forgotten, and recording never delays the caller.
 */
export interface EventRecorder {
  record<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    object: Readonly<T>,
    occurrence: Occurrence,
  ): void;
  /** Resolves when nothing is being written. */
  idle(): Promise<void>;
}

export interface Occurrence {
  type: 'Normal' | 'Warning';
  /** CamelCase, as Kubernetes names it. */
  reason: string;
  message: string;
  /** Who says so when it is not the recorder's own component, e.g. the kubelet of a node. */
  source?: { component: string; host?: string };
}

/** Occurrences waiting to be written beyond this are dropped: a flood must not become a backlog. */
const pendingMax = 1000;
const messageCharactersMax = 1024;

export interface EventRecorderOptions {
  registry: Registry;
  clock: Clock;
  log: Logger;
  component: string;
}

export function createEventRecorder({
  registry,
  clock,
  log,
  component,
}: EventRecorderOptions): EventRecorder {
  let pending = 0;
  let chain: Promise<void> = Promise.resolve();
  return {
    record(kind, object, occurrence) {
      if (pending >= pendingMax) return log.warn('event dropped', { reason: occurrence.reason });
      pending += 1;
      const event = buildEvent(kind, object, { ...occurrence, source: occurrence.source ?? { component } });
      chain = chain
        .then(() => writeEvent(registry, event, clock.now()))
        .catch((error: unknown) => log.warn('event not written', { reason: occurrence.reason, error }))
        .finally(() => {
          pending -= 1;
        });
    },
    idle: () => chain,
  };
}

function buildEvent<T extends KubernetesObject>(
  kind: KindDefinition<T>,
  object: Readonly<T>,
  occurrence: Occurrence & { source: NonNullable<Occurrence['source']> },
): Event {
  const meta = storedMeta(object);
  const message = occurrence.message.slice(0, messageCharactersMax);
  const identity = createHash('sha256').update(
    [meta.uid, occurrence.type, occurrence.reason, message].join('\0'),
  );
  // As in Kubernetes, events of cluster-scoped objects live in `default`.
  const namespace = meta.namespace ?? 'default';
  return {
    metadata: { namespace, name: `${meta.name}.${identity.digest('hex').slice(0, 16)}` },
    involvedObject: {
      kind: kind.kind,
      apiVersion: apiVersionOf(kind),
      ...(meta.namespace === undefined ? {} : { namespace: meta.namespace }),
      name: meta.name,
      uid: meta.uid,
      resourceVersion: meta.resourceVersion,
    },
    type: occurrence.type,
    reason: occurrence.reason,
    message,
    source: occurrence.source,
    reportingComponent: occurrence.source.component,
    reportingInstance: occurrence.source.host ?? '',
  };
}

async function writeEvent(registry: Registry, event: Event, nowMs: number): Promise<void> {
  const now = timestamp(nowMs);
  const at = { namespace: event.metadata.namespace ?? 'default', name: event.metadata.name ?? '' };
  try {
    await registry.create(eventKind, { ...event, count: 1, firstTimestamp: now, lastTimestamp: now });
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
    await registry.mutate(eventKind, at, (draft) => {
      draft.count = (draft.count ?? 1) + 1;
      draft.lastTimestamp = now;
    });
  }
}
