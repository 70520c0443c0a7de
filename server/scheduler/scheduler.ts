import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Node, Pod } from '../../protocol/generated/models.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { objectKey, storedMeta, timestamp } from '../../protocol/kinds/stored-object.ts';
import { isStatus } from '../../protocol/status.ts';
import type { Cache, CacheChange } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import type { Registry } from '../registry/registry.ts';
import { chooseNode, explainNone } from './choose-node.ts';
import { Fleet } from './fleet.ts';
import { podRequest } from './node-state.ts';
import type { SchedulerPlugin } from './plugin.ts';

export interface SchedulerOptions {
  registry: Registry;
  cache: Cache;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  plugins: readonly SchedulerPlugin[];
}

/** The name pods ask for in spec.schedulerName. */
const schedulerName = 'default-scheduler';
/** Bindings written side by side; the store commits them in groups. */
const bindingsMax = 64;
/** Placements decided before the event loop gets its turn. */
const sliceMax = 50;
const retry = { baseMs: 100, capMs: 10_000 };

/**
 * Places pods on nodes: one pod at a time against a live picture of the fleet (fleet.ts), the binding stored in the background. A pod
 * that fits nowhere waits until something changes that could help, and says why meanwhile.
 */
export async function startScheduler(options: SchedulerOptions): Promise<AsyncDisposable> {
  const scheduler = new Scheduler(options);
  await scheduler.start();
  return scheduler;
}

class Scheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #fleet = new Fleet();
  /** Keys of pods to place, in order of arrival. */
  readonly #queue = new Set<string>();
  /** Keys of pods that fit nowhere. */
  readonly #waiting = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #bindings = new Set<Promise<void>>();
  readonly #subscriptions: Disposable[] = [];
  #start = 0;
  #running = false;
  #stopped = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { cache } = this.#options;
    const nodes = cache.informer(nodeKind);
    const pods = cache.informer(podKind);
    await cache.synced();
    this.#subscriptions.push(
      nodes.onChange((change) => this.#nodeChanged(change)),
      pods.onChange((change) => this.#podChanged(change)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    await Promise.all(this.#bindings);
  }

  #nodeChanged(change: CacheChange<Node>): void {
    this.#fleet.applyNode(change);
    const helps =
      change.type === 'added' || (change.type === 'updated' && couldHelp(change.old, change.object));
    if (helps) this.#retryWaiting();
  }

  #podChanged(change: CacheChange<Pod>): void {
    const key = objectKey(change.object);
    if (this.#fleet.applyPod(change)) this.#retryWaiting();
    if (change.type === 'deleted' || !wantsPlacing(change.object)) {
      this.#queue.delete(key);
      this.#waiting.delete(key);
      this.#failures.delete(key);
      return;
    }
    const own = change.type === 'updated' && change.object.spec === change.old.spec;
    const unchanged =
      change.type === 'updated' && JSON.stringify(change.object.spec) === JSON.stringify(change.old.spec);
    // Our own PodScheduled=False is no reason to try again.
    if (this.#waiting.has(key) && (own || unchanged)) return;
    this.#enqueue(key);
  }

  #retryWaiting(): void {
    for (const key of this.#waiting) this.#enqueue(key);
  }

  #enqueue(key: string): void {
    if (this.#stopped) return;
    this.#waiting.delete(key);
    this.#queue.add(key);
    if (this.#running) return;
    this.#running = true;
    void this.#drain();
  }

  async #drain(): Promise<void> {
    let placed = 0;
    try {
      for (const key of this.#queue) {
        if (this.#stopped) return;
        if (this.#bindings.size >= bindingsMax) await Promise.race(this.#bindings);
        this.#queue.delete(key);
        this.#place(key);
        placed += 1;
        if (placed % sliceMax === 0)
          await new Promise<void>((resolve) => this.#options.clock.after(0, resolve));
      }
    } finally {
      this.#running = false;
      const [next] = this.#queue;
      if (next !== undefined) this.#enqueue(next);
    }
  }

  #place(key: string): void {
    const slash = key.indexOf('/');
    const pod = this.#options.cache.informer(podKind).get(key.slice(0, slash), key.slice(slash + 1));
    if (!pod || !wantsPlacing(pod)) return;
    const request = podRequest(pod);
    const choice = chooseNode(request, this.#fleet.nodes, this.#options.plugins, this.#start);
    if (choice.type === 'none') {
      this.#waiting.add(key);
      this.#track(this.#reportUnschedulable(pod, explainNone(choice)));
      return;
    }
    this.#start = (this.#start + choice.examined) % Math.max(1, this.#fleet.nodes.length);
    this.#fleet.place(choice.node.name, request);
    this.#track(this.#bind(key, pod, choice.node.name));
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#options.log.warn('scheduling step failed', { error }))
      .finally(() => this.#bindings.delete(tracked));
    this.#bindings.add(tracked);
  }

  async #bind(key: string, pod: Readonly<Pod>, node: string): Promise<void> {
    const { registry, events, clock, log } = this.#options;
    const { namespace = 'default', name, uid } = storedMeta(pod);
    try {
      await registry.bind({ namespace, name }, uid, node);
    } catch (error) {
      this.#fleet.release(uid);
      // Gone, bound by someone else or on its way out: its events say the rest.
      if (isStatus(error, 'NotFound') || isStatus(error, 'Conflict')) return;
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      log.warn('binding failed', { pod: key, node, error });
      clock.after(backoffMs(failures, retry), () => this.#enqueue(key), { unref: true });
      return;
    }
    this.#failures.delete(key);
    events.record(podKind, pod, {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${namespace}/${name} to ${node}`,
    });
  }

  async #reportUnschedulable(pod: Readonly<Pod>, message: string): Promise<void> {
    const { registry, events, clock } = this.#options;
    const { namespace = 'default', name, uid } = storedMeta(pod);
    const before = pod.status?.conditions?.find((condition) => condition.type === 'PodScheduled');
    if (before?.status === 'False' && before.message === message) return;
    events.record(podKind, pod, { type: 'Warning', reason: 'FailedScheduling', message });
    const change = (draft: Pod) => {
      if (draft.metadata?.uid !== uid || draft.spec?.nodeName) return;
      const others = (draft.status?.conditions ?? []).filter(
        (condition) => condition.type !== 'PodScheduled',
      );
      const lastTransitionTime = before?.status === 'False' ? before.lastTransitionTime : undefined;
      const condition = {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message,
        lastTransitionTime: lastTransitionTime ?? timestamp(clock.now()),
      };
      draft.status = { ...draft.status, conditions: [...others, condition] };
    };
    await registry
      .mutate(podKind, { namespace, name }, change, { subresource: 'status' })
      .catch((error: unknown) => {
        if (!isStatus(error, 'NotFound')) throw error;
      });
  }
}

function wantsPlacing(pod: Readonly<Pod>): boolean {
  return (
    !pod.spec?.nodeName &&
    (pod.spec?.schedulerName ?? schedulerName) === schedulerName &&
    (pod.spec?.schedulingGates ?? []).length === 0 &&
    pod.metadata?.deletionTimestamp === undefined &&
    pod.status?.phase !== 'Failed' &&
    pod.status?.phase !== 'Succeeded'
  );
}

/** Whether a change of a node could make room for a pod that fitted nowhere. */
function couldHelp(old: Readonly<Node>, now: Readonly<Node>): boolean {
  const facts = (node: Readonly<Node>) =>
    JSON.stringify([
      node.status?.allocatable,
      node.metadata?.labels,
      node.spec,
      node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status,
    ]);
  return facts(old) !== facts(now);
}
