import type { Clock } from '../lib/clock.ts';
import type { Metrics } from '../lib/metrics.ts';
import { measureProcess } from '../lib/process-metrics.ts';
import type { KindDefinition } from '../protocol/kinds/define-kind.ts';
import { flotillaVersion } from '../protocol/version.ts';
import type { EmbeddedBroker } from './bus/embedded-broker.ts';
import { prefixOf } from './registry/keys.ts';
import type { Store } from './store/store.ts';

interface MeasuredParts {
  kinds: readonly KindDefinition[];
  store: Store;
  bus: EmbeddedBroker;
  clock: Clock;
}

/**
 * What no single part of the server tells of itself: how much is stored, the bus, the process. Read when somebody
 * scrapes.
 */
export function measureServer(metrics: Metrics, { kinds, store, bus, clock }: MeasuredParts): void {
  measureProcess(metrics, clock);
  metrics.read({
    name: 'apiserver_storage_objects',
    help: 'Objects stored, by resource.',
    labels: ['resource'],
    type: 'gauge',
    values: () => storedObjects(kinds, store),
  });
  metrics.read({
    name: 'flotilla_build_info',
    help: 'Always 1; the version that runs is in the label.',
    labels: ['version'],
    type: 'gauge',
    values: () => [{ labels: [flotillaVersion], value: 1 }],
  });
  metrics.read({
    name: 'flotilla_connected_nodes',
    help: 'Devices whose control connection is open.',
    type: 'gauge',
    values: () => bus.connectedNodes().length,
  });
  const both = (pick: (counts: { messages: number; bytes: number }) => number) => {
    const { received, sent } = bus.traffic();
    return [
      { labels: ['received'], value: pick(received) },
      { labels: ['sent'], value: pick(sent) },
    ];
  };
  metrics.read({
    name: 'flotilla_bus_messages_total',
    help: 'Messages on the bus, as the server sees them.',
    labels: ['direction'],
    type: 'counter',
    values: () => both(({ messages }) => messages),
  });
  metrics.read({
    name: 'flotilla_bus_bytes_total',
    help: 'Bytes of the payloads of messages on the bus.',
    labels: ['direction'],
    type: 'counter',
    values: () => both(({ bytes }) => bytes),
  });
  metrics.read({
    name: 'flotilla_bus_dropped_messages_total',
    help: 'Messages that were dropped: not understood, or too much was waiting already.',
    labels: ['reason'],
    type: 'counter',
    values: () =>
      Object.entries(bus.traffic().dropped).map(([reason, value]) => ({ labels: [reason], value })),
  });
}

/** Named as Kubernetes does: `pods`, `deployments.apps`. */
async function storedObjects(kinds: readonly KindDefinition[], store: Store) {
  const prefixes = new Map(
    kinds.map((kind) => [kind.group ? `${kind.plural}.${kind.group}` : kind.plural, prefixOf(kind)]),
  );
  return Promise.all(
    [...prefixes].map(async ([resource, prefix]) => ({
      labels: [resource],
      value: await store.count(prefix),
    })),
  );
}
