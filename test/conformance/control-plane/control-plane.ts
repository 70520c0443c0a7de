import assert from 'node:assert/strict';
import { silentLogger } from '../../../lib/log.ts';
import { type Random, seededRandom } from '../../../lib/random.ts';
import type { Node, Pod } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { fixedKinds } from '../../../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { kinds } from '../../../protocol/kinds/registry.ts';
import { timestamp } from '../../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../../protocol/status.ts';
import { createAdmission } from '../../../server/admission/create-admission.ts';
import { toleratingSilence } from '../../../server/admission/plugins/default-toleration-seconds.ts';
import { createCache } from '../../../server/cache/create-cache.ts';
import type { Cache } from '../../../server/cache/informer.ts';
import { controllers } from '../../../server/controllers/registry.ts';
import { runControllers } from '../../../server/controllers/run-controllers.ts';
import { createRegistry } from '../../../server/registry/create-registry.ts';
import { createEventRecorder } from '../../../server/registry/event-recorder.ts';
import type { ObjectName, Registry } from '../../../server/registry/registry.ts';
import { schedulerPlugins } from '../../../server/scheduler/registry.ts';
import { startScheduler } from '../../../server/scheduler/scheduler.ts';
import { createMemoryStore } from '../../../server/store/memory-store.ts';
import type { Store } from '../../../server/store/store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { HollowKubelets } from './hollow-kubelets.ts';
import { mortalRegistry } from './mortal-registry.ts';

export interface NodeFacts {
  name: string;
  cpu?: string;
  pods?: string;
  labels?: Record<string, string>;
}

/** Steps of time are at most this, so that nobody's clock jumps. */
const stepMsMax = 250;

/**
 * The whole control plane (real registry, cache, controllers, scheduler) over one store in memory, and kubelets
 * that only pretend. Time stands still unless a test waits, so every run is the same.
 */
export class ControlPlane implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly store: Store;
  readonly registry: Registry;
  readonly kubelets: HollowKubelets;
  readonly random: Random;
  /** Why the control plane may not create an object of this kind now; asked for each. */
  refusesCreate: (kind: string) => Error | undefined = () => undefined;
  #running: { parts: AsyncDisposableStack; kill: () => void; cache: Cache } | undefined;

  private constructor(seed: number) {
    this.random = seededRandom(seed);
    this.store = createMemoryStore({ clock: this.clock, random: seededRandom(seed + 1) });
    const { clock, store } = this;
    const admission = createAdmission();
    admission.install([toleratingSilence]);
    this.registry = createRegistry({
      admission,
      store,
      clock,
      random: seededRandom(seed + 2),
      log: silentLogger,
      kinds,
    });
    this.kubelets = new HollowKubelets(this.registry, clock);
  }

  /** With the namespace `default` and these nodes. */
  static async start(
    nodes: readonly (string | NodeFacts)[] = ['a', 'b', 'c'],
    seed = 1,
  ): Promise<ControlPlane> {
    const plane = new ControlPlane(seed);
    await plane.registry.create(namespaceKind, { metadata: { name: 'default' } });
    for (const node of nodes) await plane.addNode(node);
    plane.kubelets.start();
    await plane.startWork();
    return plane;
  }

  async startWork(): Promise<void> {
    const { clock, random } = this;
    const { registry, kill } = mortalRegistry(this.registry, {
      clock,
      random,
      refusesCreate: (kind) => this.refusesCreate(kind),
    });
    const log = silentLogger;
    const parts = new AsyncDisposableStack();
    const cache = parts.use(createCache({ registry, clock, log }));
    this.#running = { parts, kill, cache };
    const events = createEventRecorder({ registry, clock, log, component: 'flotilla' });
    const work = { registry, cache, clock, log, events };
    const starting = (async () => {
      parts.use(await runControllers(controllers, { ...work, kinds: fixedKinds(kinds) }));
      parts.use(await startScheduler({ ...work, plugins: schedulerPlugins }));
    })();
    let started = false;
    void starting.then(() => (started = true));
    await this.until('the control plane has started', () => started);
  }

  /** As a power cut: what was under way gets no further. */
  async crash(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    running?.kill();
    await running?.parts.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    await this.kubelets.stop();
    await this.store[Symbol.asyncDispose]();
  }

  async addNode(given: string | NodeFacts): Promise<void> {
    const {
      name,
      cpu = '4',
      pods = '110',
      labels = {},
    } = typeof given === 'string' ? { name: given } : given;
    await this.registry.create(nodeKind, {
      metadata: { name, labels },
      status: {
        allocatable: { cpu, memory: '4Gi', pods },
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    });
  }

  async label(node: string, labels: Record<string, string>): Promise<void> {
    await this.registry.mutate(nodeKind, { name: node }, ({ metadata }) => {
      if (metadata) metadata.labels = { ...metadata.labels, ...labels };
    });
  }

  /** The device falls silent, or comes back. */
  async setReady(node: string, status: 'True' | 'Unknown'): Promise<void> {
    if (status === 'True') this.kubelets.connect(node);
    else this.kubelets.disconnect(node);
    const change = (draft: Node) => {
      const lastTransitionTime = timestamp(this.clock.now());
      draft.status = { ...draft.status, conditions: [{ type: 'Ready', status, lastTransitionTime }] };
    };
    await this.registry.mutate(nodeKind, { name: node }, change, { subresource: 'status' });
  }

  /** Lets time pass until the condition holds; fails after `withinMs` of that time. */
  async until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
    const deadline = this.clock.monotonic() + withinMs;
    while (!(await holds())) {
      if (this.clock.monotonic() >= deadline)
        assert.fail(`within ${withinMs} ms it did not happen that ${what}`);
      await this.clock.advance(Math.min(stepMsMax, Math.max(1, this.clock.nextDelay ?? stepMsMax)));
    }
  }

  /** Lets time pass until the control plane has seen every object of the kind as it is now. */
  async untilSeen<T extends KubernetesObject>(kind: KindDefinition<T>): Promise<void> {
    const { items } = await this.registry.list(kind);
    const newest = Math.max(0, ...items.map(({ metadata }) => Number(metadata?.resourceVersion)));
    const isSeen = () => Number(this.#running?.cache.informer(kind).resourceVersion) >= newest;
    await this.until(`the latest of the ${kind.plural} is seen`, isSeen);
  }

  /** Lets time pass until nothing has been written for `quietMs` of it. */
  async untilQuiet(quietMs = 2_000): Promise<void> {
    let { revision } = this.store;
    let since = this.clock.monotonic();
    await this.until(
      'nothing is written any more',
      () => {
        if (this.store.revision !== revision) since = this.clock.monotonic();
        revision = this.store.revision;
        return this.clock.monotonic() - since >= quietMs;
      },
      600_000,
    );
  }

  async find<T extends KubernetesObject>(kind: KindDefinition<T>, name: string): Promise<T | undefined> {
    const at: ObjectName = kind.namespaced ? { namespace: 'default', name } : { name };
    return this.registry.get(kind, at).catch((error: unknown) => {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    });
  }

  async podUids(): Promise<Set<string>> {
    return new Set((await this.pods()).map(({ metadata }) => metadata?.uid ?? ''));
  }

  async pods(labelSelector = ''): Promise<Pod[]> {
    return (await this.registry.list(podKind, { labelSelector })).items;
  }
}

export function isActive({ metadata, status }: Readonly<Pod>): boolean {
  return (
    metadata?.deletionTimestamp === undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed'
  );
}

export function isReady({ status }: Readonly<Pod>): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True') ?? false;
}
