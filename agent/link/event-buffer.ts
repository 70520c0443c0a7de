import type { PodEvent } from '../../protocol/topics/sync.ts';

/** Events that wait to be sent. Equal ones become one; above the limit the oldest are lost. */
export interface EventBuffer {
  add(event: PodEvent): void;
  /** Removes and returns what there is, oldest first. */
  take(): PodEvent[];
  readonly size: number;
}

const eventsMax = 32;
const messageCharactersMax = 1024;

export function createEventBuffer(): EventBuffer {
  const events = new Map<string, PodEvent>();
  return {
    get size() {
      return events.size;
    },
    add(event) {
      const message = event.message.slice(0, messageCharactersMax);
      const key = JSON.stringify([event.uid, event.type, event.reason, message]);
      events.delete(key);
      events.set(key, { ...event, message });
      const oldest = events.keys().next().value;
      if (events.size > eventsMax && oldest !== undefined) events.delete(oldest);
    },
    take() {
      const taken = [...events.values()];
      events.clear();
      return taken;
    },
  };
}
