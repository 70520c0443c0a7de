import { backoffMs } from '../../lib/backoff.ts';
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { createMetrics, type Metrics } from '../../lib/metrics.ts';
import type { Node, Pod } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { objectKey, splitKey, storedMeta } from '../../protocol/kinds/stored-object.ts';
import { namedNodes } from '../../protocol/node-selection.ts';
import type { Cache, CacheChange, Informer } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import { refusedByAnnotation } from '../registry/refusals.ts';
import type { Registry } from '../registry/registry.ts';
import { chooseNamedNode, chooseNode, explainNone, fitsNode } from './choose-node.ts';
import { Fleet } from './fleet.ts';
import type { SchedulerPlugin } from './plugin.ts';
import { liveRefusals, type PodRequest, podRequest } from './pod-request.ts';
import { reportUnschedulable } from './report-unschedulable.ts';
import { type Attempts, measureAttempts } from './scheduler-metrics.ts';
import { WaitingPods } from './waiting-pods.ts';

export interface SchedulerOptions {
  registry: Registry;
  cache: Cache;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  plugins: readonly SchedulerPlugin[];
  metrics?: Metrics;
}

/** The name pods ask for in spec.schedulerName. */
const schedulerName = 'default-scheduler';
/** Bindings and reports written side by side; the store commits them in groups. */
const writesMax = 256;
/** After so many placements, or so long, the event loop gets its turn. */
const sliceMax = 50;
const sliceMs = 5;
const retry = { baseMs: 100, capMs: 10_000 };
/** Waiting pods are tried again this often whatever happens: a net under the events that should have queued them. */
const retryAllMs = 5 * 60_000;

/**
 * Places pods on nodes: one pod at a time against a live picture of the fleet (fleet.ts), the binding stored in the
 * background. A pod that fits nowhere says why and waits (waiting-pods.ts) until something changes that lets it fit.
 */
export async function startScheduler(options: SchedulerOptions): Promise<AsyncDisposable> {
  const scheduler = new Scheduler({ ...options, events: options.events.from(schedulerName) });
  await scheduler.start();
  return scheduler;
}

class Scheduler implements AsyncDisposable {
  readonly #options: SchedulerOptions;
  readonly #pods: Informer<Pod>;
  readonly #fleet = new Fleet();
  readonly #attempts: Attempts;
  /** Keys of pods to place, in order of arrival. */
  readonly #queue = new Set<string>();
  readonly #waiting = new WaitingPods();
  /** Nodes that may take pods they did not take before. */
  readonly #helped = new Set<string>();
  readonly #failures = new Map<string, number>();
  /** Pods that are tried again at a certain time. */
  readonly #timers = new Map<string, Timer>();
  #retryAll: Timer | undefined;
  readonly #writes = new Set<Promise<void>>();
  readonly #subscriptions = new DisposableStack();
  readonly #stop = new AbortController();
  #onWritten: (() => void) | undefined;
  #start = 0;
  #draining = true;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#pods = options.cache.informer(podKind);
    this.#attempts = measureAttempts(options.metrics ?? createMetrics(), schedulerName, () => ({
      active: this.#queue.size,
      backoff: this.#timers.size,
      unschedulable: this.#waiting.size,
    }));
  }

  async start(): Promise<void> {
    const { cache } = this.#options;
    const nodes = cache.informer(nodeKind);
    await cache.synced();
    this.#subscriptions.use(nodes.onChange((change) => this.#nodeChanged(change)));
    this.#subscriptions.use(this.#pods.onChange((change) => this.#podChanged(change)));
    // Only now is everything counted that runs already.
    this.#draining = false;
    this.#wake();
    this.#retryAllLater();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#subscriptions.dispose();
    this.#retryAll?.cancel();
    for (const timer of this.#timers.values()) timer.cancel();
    this.#onWritten?.();
    await Promise.all(this.#writes);
  }

  #nodeChanged(change: CacheChange<Node>): void {
    if (this.#fleet.applyNode(change, this.#options.clock.now())) this.#help(storedMeta(change.object).name);
  }

  #podChanged(change: CacheChange<Pod>): void {
    const { object } = change;
    const key = objectKey(object);
    this.#help(this.#fleet.applyPod(change));
    if (change.type === 'deleted' || !wantsPlacing(object)) {
      this.#failures.delete(key);
      this.#forget(key);
    } else if (change.type === 'added' || isNews(change.old, object)) {
      this.#enqueue(key);
    }
  }

  #help(node: string | undefined): void {
    if (node === undefined || this.#waiting.size === 0) return;
    this.#helped.add(node);
    this.#wake();
  }

  /** To be placed as if it had just come. */
  #enqueue(key: string): void {
    this.#forget(key);
    this.#queue.add(key);
    this.#wake();
  }

  #enqueueAfter(key: string, delayMs: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timers.get(key)?.cancel();
    this.#timers.set(
      key,
      this.#options.clock.after(delayMs, () => this.#enqueue(key), { unref: true }),
    );
  }

  #forget(key: string): void {
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    this.#queue.delete(key);
    this.#waitNoLonger(key);
  }

  #waitNoLonger(key: string): void {
    const next = this.#waiting.remove(key);
    if (next === undefined) return;
    this.#queue.add(next);
    this.#wake();
  }

  #wake(): void {
    if (this.#draining || this.#stop.signal.aborted) return;
    this.#draining = true;
    void this.#drain();
  }

  async #drain(): Promise<void> {
    // The change at hand may be one of many that the cache is telling in one go.
    await Promise.resolve();
    const { clock, log } = this.#options;
    try {
      while (this.#queue.size > 0 || this.#helped.size > 0) {
        const until = clock.monotonic() + sliceMs;
        for (let done = 0; done < sliceMax && clock.monotonic() <= until; done += 1) {
          while (this.#writes.size >= writesMax) await this.#written();
          if (this.#stop.signal.aborted) return;
          if (!this.#step()) break;
        }
        await sleep(clock, 0, this.#stop.signal);
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) log.error('the scheduler stumbled', { error });
    } finally {
      this.#draining = false;
      if (this.#queue.size > 0 || this.#helped.size > 0) this.#wake();
    }
  }

  /** One pod, or one node that may help; false when there is nothing to do. */
  #step(): boolean {
    const [node] = this.#helped;
    if (node !== undefined) {
      this.#helped.delete(node);
      const state = this.#fleet.nodeNamed(node);
      const { plugins } = this.#options;
      const hopeful = state ? this.#waiting.takeHopeful((sample) => fitsNode(sample, state, plugins)) : [];
      for (const key of hopeful) this.#queue.add(key);
      return true;
    }
    const [key] = this.#queue;
    if (key === undefined) return false;
    this.#queue.delete(key);
    this.#place(key);
    return true;
  }

  #place(key: string): void {
    const { namespace, name } = splitKey(key);
    const pod = this.#pods.get(namespace, name);
    if (!pod || !wantsPlacing(pod) || this.#fleet.isPlaced(storedMeta(pod).uid))
      return this.#waitNoLonger(key);
    const { clock, plugins } = this.#options;
    const began = clock.monotonic();
    const request = podRequest(pod, liveRefusals(pod, clock.now()));
    const known = this.#waiting.joinQueue(key, request);
    if (known !== undefined) return this.#wait(key, request, known);
    const { nodes } = this.#fleet;
    const named = namedNodes(pod.spec)?.flatMap((name) => this.#fleet.nodeNamed(name) ?? []);
    const choice = named
      ? chooseNamedNode(request, named, plugins, nodes.length)
      : chooseNode(request, nodes, plugins, this.#start);
    if (choice.type === 'none') {
      const explanation = explainNone(choice);
      this.#waiting.add(key, request, explanation);
      this.#attempts.ended('unschedulable', clock.monotonic() - began);
      return this.#wait(key, request, explanation);
    }
    this.#start = (this.#start + choice.examined) % this.#fleet.nodes.length;
    this.#fleet.place(choice.node.name, request);
    this.#waitNoLonger(key);
    this.#track(this.#bind(key, pod, { node: choice.node.name, began }));
  }

  async #bind(
    key: string,
    pod: Readonly<Pod>,
    { node, began }: { node: string; began: number },
  ): Promise<void> {
    const { registry, events, clock, log } = this.#options;
    const { namespace = '', name, uid } = storedMeta(pod);
    try {
      const revision = await registry.bind({ namespace, name }, uid, node);
      this.#attempts.ended('scheduled', clock.monotonic() - began);
      this.#help(this.#fleet.confirm(uid, Number(revision)));
    } catch (error) {
      this.#attempts.ended('error', clock.monotonic() - began);
      this.#help(this.#fleet.takeBack(uid));
      const failures = (this.#failures.get(key) ?? 0) + 1;
      this.#failures.set(key, failures);
      // If it is gone or bound by someone else, the next look at it finds that.
      this.#enqueueAfter(key, backoffMs(failures, retry));
      log.info('a pod was not bound', { pod: key, node, failures, error });
      return;
    }
    this.#failures.delete(key);
    events.record(podKind, pod, {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${namespace}/${name} to ${node}`,
    });
  }

  #wait(key: string, { pod, refusals }: PodRequest, explanation: string): void {
    this.#track(reportUnschedulable(this.#options, pod, explanation));
    if (refusals.size === 0) return;
    const ends = [...refusals.values()].map(({ untilMs }) => untilMs);
    this.#enqueueAfter(key, Math.max(0, Math.min(...ends) - this.#options.clock.now()));
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#options.log.warn('a scheduling step failed', { error }))
      .finally(() => {
        this.#writes.delete(tracked);
        this.#onWritten?.();
      });
    this.#writes.add(tracked);
  }

  #written(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWritten = () => {
        this.#onWritten = undefined;
        resolve();
      };
      if (this.#stop.signal.aborted) resolve();
    });
  }

  #retryAllLater(): void {
    const task = () => {
      if (this.#stop.signal.aborted) return;
      for (const key of this.#waiting.takeAll()) this.#enqueue(key);
      this.#retryAllLater();
    };
    this.#retryAll = this.#options.clock.after(retryAllMs, task, { unref: true });
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

/** Whether an unbound pod may fit elsewhere than before. Its own status (our explanation) says nothing new. */
function isNews(old: Readonly<Pod>, pod: Readonly<Pod>): boolean {
  const refusedBy = ({ metadata }: Readonly<Pod>) => metadata?.annotations?.[refusedByAnnotation];
  return !wantsPlacing(old) || refusedBy(old) !== refusedBy(pod) || !sameValue(old.spec, pod.spec);
}
