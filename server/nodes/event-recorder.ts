import { createHash } from 'node:crypto';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Event, ObjectReference } from '../../protocol/generated/models.ts';
import { eventKind } from '../../protocol/kinds/event.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Registry } from '../registry/registry.ts';

/** Writes what people see under `Events:`. An event that happens again is counted up in one object, as Kubernetes does. */
export interface EventRecorder {
  /** Never rejects: an event that cannot be written is lost. */
  record(event: RecordedEvent): Promise<void>;
}

export interface RecordedEvent {
  /** What it is about; its namespace is the event's, `default` for cluster-scoped objects. */
  about: ObjectReference & { name: string };
  node: string;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  count: number;
}

export interface EventRecorderOptions {
  registry: Registry;
  clock: Clock;
  log: Logger;
}

/** One node may write this many at once, and then one in so many milliseconds: a crash loop must not flood the store. */
const burstEvents = 25;
const refillMs = 1_000;
const component = 'flotilla-agent';

export function createEventRecorder({ registry, clock, log }: EventRecorderOptions): EventRecorder {
  const budgets = new Map<string, { tokens: number; at: number }>();

  function mayWrite(node: string): boolean {
    const now = clock.monotonic();
    const budget = budgets.get(node) ?? { tokens: burstEvents, at: now };
    const tokens = Math.min(burstEvents, budget.tokens + (now - budget.at) / refillMs);
    const allowed = tokens >= 1;
    budgets.set(node, { tokens: allowed ? tokens - 1 : tokens, at: now });
    return allowed;
  }

  async function write(event: RecordedEvent): Promise<void> {
    const fresh = eventObject(event, new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z'));
    const at = { namespace: fresh.metadata.namespace ?? 'default', name: fresh.metadata.name ?? '' };
    try {
      await registry.create<Event>(eventKind, fresh);
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists')) throw error;
      await registry.mutate<Event>(eventKind, at, (draft) => {
        draft.count = (draft.count ?? 1) + event.count;
        draft.lastTimestamp = fresh.lastTimestamp ?? '';
      });
    }
  }

  return {
    async record(event) {
      if (!mayWrite(event.node)) return;
      try {
        await write(event);
      } catch (error) {
        log.debug('event could not be written', { reason: event.reason, error });
      }
    },
  };
}

function eventObject(event: RecordedEvent, now: string): Event {
  const { about, node, type, reason, message, count } = event;
  const identity = JSON.stringify([about.uid, about.fieldPath, node, type, reason, message]);
  const suffix = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${about.name}.${suffix}`, namespace: about.namespace ?? 'default' },
    involvedObject: about,
    type,
    reason,
    message,
    count,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component, host: node },
    reportingComponent: component,
    reportingInstance: node,
  };
}
