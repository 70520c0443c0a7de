import type { Clock } from '../../lib/clock.ts';
import type { Metrics } from '../../lib/metrics.ts';
import type { Store } from './store.ts';

/** The same store, with how long each request to it takes told as kube-apiserver tells it of etcd. */
export function measureStore(store: Store, metrics: Metrics, clock: Clock): Store {
  const seconds = metrics.histogram({
    name: 'etcd_request_duration_seconds',
    help: 'Time of a request to the store in seconds, until it is durable, by operation and resource.',
    labels: ['operation', 'type'],
    buckets,
  });
  const measured = async <R>(operation: string, key: string, request: Promise<R>): Promise<R> => {
    const began = clock.monotonic();
    try {
      return await request;
    } finally {
      seconds.of(operation, resourceOf(key)).observe((clock.monotonic() - began) / 1_000);
    }
  };
  return {
    epoch: store.epoch,
    get revision() {
      return store.revision;
    },
    get floor() {
      return store.floor;
    },
    get: (key, options) => measured('get', key, store.get(key, options)),
    list: (prefix, options) => measured('list', prefix, store.list(prefix, options)),
    count: (prefix) => measured('count', prefix, store.count(prefix)),
    create: (key, value) => measured('create', key, store.create(key, value)),
    update: (key, value, revision) => measured('update', key, store.update(key, value, revision)),
    delete: (key, revision) => measured('delete', key, store.delete(key, revision)),
    txn: (guards, operations) =>
      measured('txn', operations[0]?.key ?? guards[0]?.key ?? '', store.txn(guards, operations)),
    watch: (prefix, from, options) => store.watch(prefix, from, options),
    compact: (revision) => measured('compact', '', store.compact(revision)),
    lead: (name, options) => store.lead(name, options),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const buckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

/** `/core/pods` of `/core/pods/default/web`: a key's first two parts, whatever they mean. */
function resourceOf(key: string): string {
  const end = key.indexOf('/', key.indexOf('/', 1) + 1);
  return end > 0 ? key.slice(0, end) : '';
}
