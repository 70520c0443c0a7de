import type { Clock } from '../../lib/clock.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { kinds } from '../../protocol/kinds/registry.ts';
import { createCache } from '../../server/cache/create-cache.ts';
import { type Nodes, startNodes } from '../../server/nodes/start-nodes.ts';
import { createRegistry } from '../../server/registry/create-registry.ts';
import { createEventRecorder } from '../../server/registry/event-recorder.ts';
import type { Registry } from '../../server/registry/registry.ts';
import { StoreError } from '../../server/store/errors.ts';
import { createMemoryStore } from '../../server/store/memory-store.ts';
import type { Store } from '../../server/store/store.ts';
import type { LossyNetwork } from './lossy-network.ts';

type Backup = readonly { key: string; value: Uint8Array }[];

/** The server's side: the real registry, cache and node sessions over a store that outlives them. */
export class SimServer {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #network: LossyNetwork;
  #store: Store;
  #registry: Registry;
  #backup: Backup = [];
  #storeFailing = false;
  #running: AsyncDisposableStack | undefined;
  nodes: Nodes | undefined;

  constructor({ clock, random, network }: { clock: Clock; random: Random; network: LossyNetwork }) {
    this.#clock = clock;
    this.#random = random;
    this.#network = network;
    this.#store = createMemoryStore({ clock, random });
    this.#registry = this.#openRegistry();
  }

  get registry(): Registry {
    return this.#registry;
  }

  /** While true, the disk is full: every write of the store fails, reads go on. */
  set storeFailing(failing: boolean) {
    this.#storeFailing = failing;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    const running = new AsyncDisposableStack();
    this.#running = running;
    const registry = this.#registry;
    const log = silentLogger;
    const cache = createCache({ registry, clock: this.#clock, log });
    running.use(cache);
    const bus = this.#network.openBus();
    running.use(bus);
    const clock = this.#clock;
    const events = createEventRecorder({ registry, clock, log, component: 'flotilla-server' });
    const issuePodToken = ({ expirationSeconds }: { expirationSeconds: number }) => ({
      token: 'simulated',
      expiresAt: clock.now() + expirationSeconds * 1_000,
      apiPort: 6443,
    });
    const options = { registry, cache, bus, clock, random: this.#random, log, events, issuePodToken };
    this.nodes = running.use(await startNodes(options));
  }

  async crash(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    this.nodes = undefined;
    this.#network.cutBus();
    await running.disposeAsync();
  }

  async takeBackup(): Promise<void> {
    this.#backup = (await this.#store.list('')).entries.map(({ key, value }) => ({ key, value }));
  }

  /** The server must be down. The store is what it was at the last backup, under another epoch. */
  async restore(): Promise<void> {
    this.#store = createMemoryStore({ clock: this.#clock, random: this.#random });
    for (const { key, value } of this.#backup) await this.#store.create(key, value);
    this.#registry = this.#openRegistry();
  }

  #openRegistry(): Registry {
    const options = { clock: this.#clock, random: this.#random, log: silentLogger, kinds };
    return createRegistry({ store: this.#failingAtTimes(this.#store), ...options });
  }

  #failingAtTimes(store: Store): Store {
    const writes: readonly PropertyKey[] = ['create', 'update', 'delete', 'txn'];
    return new Proxy(store, {
      get: (target, name) => {
        if (this.#storeFailing && writes.includes(name)) {
          return () => Promise.reject(new StoreError('StorageFailed', 'no space left'));
        }
        const member: unknown = Reflect.get(target, name, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
  }
}
