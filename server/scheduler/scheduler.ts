import { backoffMs } from '../../lib/backoff.ts';
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { createMetrics, type Metrics } from '../../lib/metrics.ts';
import type { Node, Pod, PodDisruptionBudget } from '../../protocol/generated/models.ts';
import { sameValue } from '../../protocol/kinds/cause.ts';
import { nodeKind } from '../../protocol/kinds/node.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../../protocol/kinds/pod-disruption-budget.ts';
import { objectKey, splitKey, storedMeta } from '../../protocol/kinds/stored-object.ts';
import { volumeClaimNames } from '../../protocol/match-volume.ts';
import type { Cache, CacheChange, Informer } from '../cache/informer.ts';
import type { EventRecorder } from '../registry/event-recorder.ts';
import { refusedByAnnotation } from '../registry/refusals.ts';
import type { Registry } from '../registry/registry.ts';
import { type Choice, chooseNode, explainNone, fitsNode } from './choose-node.ts';
import { evictVictims } from './evict-victims.ts';
import { Fleet, type FleetObserver } from './fleet.ts';
import { HopelessShapes } from './hopeless-shapes.ts';
import type { NodeState } from './node-state.ts';
import { PendingWrites } from './pending-writes.ts';
import type { PluginDefinition } from './plugin.ts';
import { liveRefusals, type PodRequest, podRequest } from './pod-request.ts';
import { choosePreemption, explainNoPreemption, type Preemption } from './preemption.ts';
import {
  defaultProfiles,
  type Judges,
  judgesOf,
  type OpenPlugin,
  openProfiles,
  type ProfileSettings,
} from './profiles.ts';
import { gated, reportUnschedulable, unschedulable } from './report-unschedulable.ts';
import { type Attempts, measureAttempts } from './scheduler-metrics.ts';
import { WaitingPods } from './waiting-pods.ts';

export interface SchedulerOptions {
  registry: Registry;
  cache: Cache;
  clock: Clock;
  log: Logger;
  events: EventRecorder;
  plugins: readonly PluginDefinition[];
  profiles?: readonly ProfileSettings[] | undefined;
  metrics?: Metrics;
}

/** What speaks in events, and the profile of pods that name none. */
const schedulerName = 'default-scheduler';
/** After so many placements, or so long, the event loop gets its turn. */
const sliceMax = 50;
const sliceMs = 5;
const retry = { baseMs: 100, capMs: 10_000 };
/** What has to be done before a binding, e.g. making a volume, may take this long. */
const beforeBindingMs = 10 * 60_000;
/** A pod that made room for itself looks again after this long, if nothing tells it that the room is there. */
const preemptedMs = 30_000;
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
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #fleet = new Fleet();
  readonly #profiles: ReadonlyMap<string, readonly OpenPlugin[]>;
  readonly #attempts: Attempts;
  /** Keys of pods to place, in order of arrival. */
  readonly #queue = new Set<string>();
  readonly #waiting = new WaitingPods();
  /** Nodes that may take pods they did not take before. */
  readonly #helped = new Set<string>();
  /** Pods for which others were told to go, and from where, by key. */
  readonly #preempting = new Map<string, string>();
  readonly #hopeless = new HopelessShapes();
  readonly #failures = new Map<string, number>();
  /** Pods that are tried again at a certain time. */
  readonly #timers = new Map<string, Timer>();
  #retryAll: Timer | undefined;
  readonly #writes: PendingWrites;
  readonly #preparing = new Set<Promise<void>>();
  readonly #subscriptions = new DisposableStack();
  readonly #stop = new AbortController();
  #start = 0;
  #draining = true;
  /** While pods are only thought away, nobody is helped. */
  #isImagining = false;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#writes = new PendingWrites(options.log);
    const { cache, registry } = options;
    this.#pods = cache.informer(podKind);
    this.#budgets = cache.informer(podDisruptionBudgetKind);
    this.#profiles = openProfiles(options.profiles ?? defaultProfiles, options.plugins, {
      fleet: this.#fleet,
      cache,
      registry,
      retry: (mayHelp) => {
        this.#hopeless.forget(mayHelp);
        this.#queueHopeful(mayHelp);
      },
    });
    this.#fleet.observe(this.#helpedElsewhere());
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
    await Promise.all(this.#preparing);
    await this.#writes.ended();
  }

  #nodeChanged(change: CacheChange<Node>): void {
    const isNews = this.#fleet.applyNode(change, this.#options.clock.now());
    if (isNews || change.type === 'deleted') this.#hopeless.forget(() => true);
    if (isNews) this.#help(storedMeta(change.object).name);
  }

  #podChanged(change: CacheChange<Pod>): void {
    const { object } = change;
    const key = objectKey(object);
    this.#help(this.#fleet.applyPod(change));
    if (change.type === 'deleted' || !this.#wantsPlacing(object)) {
      this.#failures.delete(key);
      this.#preempting.delete(key);
      this.#fleet.nominate(podRequest(object), undefined);
      this.#forget(key);
      if (change.type !== 'deleted' && isGated(object) && this.#isOurs(object))
        this.#writes.track(reportUnschedulable(this.#options, object, gated));
    } else if (change.type === 'added' || this.#isNews(change.old, object)) {
      const { nominatedNodeName } = object.status ?? {};
      if (nominatedNodeName) this.#fleet.nominate(podRequest(object), nominatedNodeName);
      this.#enqueue(key);
    }
  }

  #help(node: string | undefined): void {
    if (node === undefined) return;
    if (this.#waiting.size + this.#preempting.size + this.#hopeless.size === 0) return;
    this.#helped.add(node);
    this.#wake();
  }

  /** What is placed on one node, or goes from it, may let pods on other nodes: neighbours, spread. */
  #helpedElsewhere(): FleetObserver {
    const helped = (other: PodRequest, what: 'placed' | 'gone') => {
      if (this.#isImagining) return;
      const mayHelp = (waiting: PodRequest) =>
        this.#pluginsFor(waiting).some(({ plugin }) => plugin.helpedBy?.(waiting, other, what));
      this.#hopeless.forget(mayHelp);
      if (this.#waiting.size > 0) this.#queueHopeful(mayHelp);
    };
    return {
      podPlaced: (pod) => helped(pod, 'placed'),
      podLeft: (pod) => helped(pod, 'gone'),
      nodeJoined() {},
      nodeLeft() {},
    };
  }

  #queueHopeful(mayHelp: (waiting: PodRequest) => boolean): void {
    const hopeful = this.#waiting.takeHopeful(mayHelp);
    for (const key of hopeful) this.#queue.add(key);
    if (hopeful.length > 0) this.#wake();
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
          await this.#writes.room();
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
      this.#offer(node);
      return true;
    }
    const [key] = this.#queue;
    if (key === undefined) return false;
    this.#queue.delete(key);
    this.#place(key);
    return true;
  }

  /** Those that made room for themselves come first. */
  #offer(name: string): void {
    for (const [key, node] of this.#preempting) if (node === name) this.#queue.add(key);
    const state = this.#fleet.nodeNamed(name);
    if (!state) return;
    const mayHelp = (sample: PodRequest) => fitsNode(this.#judges(sample), state);
    this.#hopeless.forget(mayHelp);
    this.#queueHopeful(mayHelp);
  }

  #pluginsFor({ pod }: PodRequest): readonly OpenPlugin[] {
    return this.#profiles.get(pod.spec?.schedulerName ?? schedulerName) ?? [];
  }

  #judges(pod: PodRequest): Judges {
    return judgesOf(pod, this.#pluginsFor(pod));
  }

  #place(key: string): void {
    const { namespace, name } = splitKey(key);
    const pod = this.#pods.get(namespace, name);
    if (!pod || !this.#wantsPlacing(pod) || this.#fleet.isPlaced(storedMeta(pod).uid))
      return this.#waitNoLonger(key);
    const { clock } = this.#options;
    const began = clock.monotonic();
    const request = podRequest(pod, liveRefusals(pod, clock.now()));
    const kept = this.#fleet.nominated(request.uid);
    const known = kept ? undefined : this.#waiting.joinQueue(key, request);
    if (known !== undefined) return this.#wait(key, request, known);
    const judges = this.#judges(request);
    const choice = this.#choose(request, judges, kept);
    if (choice.type === 'none') {
      this.#attempts.ended('unschedulable', clock.monotonic() - began);
      return this.#cannotPlace(key, request, { judges, choice });
    }
    this.#start = (this.#start + choice.examined) % this.#fleet.nodes.length;
    this.#fleet.nominate(request, undefined);
    this.#preempting.delete(key);
    this.#fleet.place(choice.node.name, request);
    this.#waitNoLonger(key);
    this.#bindWhenReady(key, request, { node: choice.node, began });
  }

  /** Where room is kept for it alone, if it is there by now; else the best of all. */
  #choose(request: PodRequest, judges: Judges, kept: NodeState | undefined): Choice {
    if (kept && fitsNode(judges, kept)) return { type: 'node', node: kept, examined: 0 };
    const found = kept ? undefined : this.#hopeless.recall(request);
    return found ?? chooseNode(judges, this.#fleet, this.#start);
  }

  #cannotPlace(
    key: string,
    request: PodRequest,
    { judges, choice }: { judges: Judges; choice: Extract<Choice, { type: 'none' }> },
  ): void {
    const explanation = explainNone(choice);
    if (this.#isRoomComing(key)) return this.#enqueueAfter(key, preemptedMs);
    const preemption = this.#imagine(() => this.#choosePreemption(request, judges, choice.curable));
    if (preemption) {
      this.#hopeless.remember(request, choice);
      this.#hopeless.spend(request, preemption.node);
      this.#waitNoLonger(key);
      this.#fleet.nominate(request, preemption.node.name);
      this.#preempting.set(key, preemption.node.name);
      this.#enqueueAfter(key, preemptedMs);
      this.#writes.track(reportUnschedulable(this.#options, request.pod, unschedulable(explanation)));
      this.#writes.track(evictVictims(this.#options, request, preemption));
      return;
    }
    this.#preempting.delete(key);
    this.#fleet.nominate(request, undefined);
    const told = choice.nodes === 0 ? '' : explainNoPreemption(choice.nodes, choice.curable.length);
    this.#waiting.add(key, request, explanation + told);
    this.#wait(key, request, explanation + told);
  }

  /** Whether those that were told to go are still going. */
  #isRoomComing(key: string): boolean {
    const node = this.#fleet.nodeNamed(this.#preempting.get(key) ?? '');
    return node?.pods.values().some(({ isTerminating }) => isTerminating) ?? false;
  }

  #imagine<R>(look: () => R): R {
    this.#isImagining = true;
    try {
      return look();
    } finally {
      this.#isImagining = false;
    }
  }

  #choosePreemption(
    request: PodRequest,
    judges: Judges,
    curable: readonly NodeState[],
  ): Preemption | undefined {
    if (request.pod.spec?.preemptionPolicy === 'Never' || curable.length === 0) return undefined;
    const budgets = [...this.#budgets.list()];
    return choosePreemption(request, judges, { fleet: this.#fleet, curable, budgets });
  }

  #bindWhenReady(key: string, request: PodRequest, choice: { node: NodeState; began: number }): void {
    const before = this.#pluginsFor(request).flatMap(
      ({ plugin }) => plugin.beforeBinding?.bind(plugin) ?? [],
    );
    const bind = () => this.#bind(key, request.pod, { node: choice.node.name, began: choice.began });
    const claims = volumeClaimNames(request.pod).length + (request.pod.spec?.resourceClaims?.length ?? 0);
    if (before.length === 0 || claims === 0) return this.#writes.track(bind());
    const prepared = this.#prepare(request, choice.node, before)
      .then(() => this.#writes.track(bind()))
      .catch((error: unknown) => this.#notBound(key, request.uid, { node: choice.node.name, error }))
      .finally(() => this.#preparing.delete(prepared));
    this.#preparing.add(prepared);
  }

  async #prepare(
    request: PodRequest,
    node: NodeState,
    before: readonly NonNullable<OpenPlugin['plugin']['beforeBinding']>[],
  ): Promise<void> {
    const late = new AbortController();
    const timer = this.#options.clock.after(beforeBindingMs, () => late.abort(), { unref: true });
    const signal = AbortSignal.any([late.signal, this.#stop.signal]);
    try {
      for (const prepare of before) await prepare(request, node, signal);
    } finally {
      timer.cancel();
    }
  }

  async #bind(
    key: string,
    pod: Readonly<Pod>,
    { node, began }: { node: string; began: number },
  ): Promise<void> {
    const { registry, events, clock } = this.#options;
    const { namespace = '', name, uid } = storedMeta(pod);
    try {
      const revision = await registry.bind({ namespace, name }, uid, node);
      this.#attempts.ended('scheduled', clock.monotonic() - began);
      this.#help(this.#fleet.confirm(uid, Number(revision)));
    } catch (error) {
      this.#attempts.ended('error', clock.monotonic() - began);
      this.#notBound(key, uid, { node, error });
      return;
    }
    this.#failures.delete(key);
    events.record(podKind, pod, {
      type: 'Normal',
      reason: 'Scheduled',
      message: `Successfully assigned ${namespace}/${name} to ${node}`,
    });
  }

  /** If it is gone or bound by someone else, the next look at it finds that. */
  #notBound(key: string, uid: string, { node, error }: { node: string; error: unknown }): void {
    this.#help(this.#fleet.takeBack(uid));
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#enqueueAfter(key, backoffMs(failures, retry));
    this.#options.log.info('a pod was not bound', { pod: key, node, failures, error });
  }

  #wait(key: string, { pod, refusals }: PodRequest, explanation: string): void {
    this.#writes.track(reportUnschedulable(this.#options, pod, unschedulable(explanation)));
    if (refusals.size === 0) return;
    const ends = [...refusals.values()].map(({ untilMs }) => untilMs);
    this.#enqueueAfter(key, Math.max(0, Math.min(...ends) - this.#options.clock.now()));
  }

  #retryAllLater(): void {
    const task = () => {
      if (this.#stop.signal.aborted) return;
      for (const key of this.#waiting.takeAll()) this.#enqueue(key);
      this.#retryAllLater();
    };
    this.#retryAll = this.#options.clock.after(retryAllMs, task, { unref: true });
  }

  #isOurs({ spec }: Readonly<Pod>): boolean {
    return this.#profiles.has(spec?.schedulerName ?? schedulerName);
  }

  #wantsPlacing(pod: Readonly<Pod>): boolean {
    return isUnplaced(pod) && !isGated(pod) && this.#isOurs(pod);
  }

  /** Whether an unbound pod may fit elsewhere than before. Its own status (our explanation) says nothing new. */
  #isNews(old: Readonly<Pod>, pod: Readonly<Pod>): boolean {
    const refusedBy = ({ metadata }: Readonly<Pod>) => metadata?.annotations?.[refusedByAnnotation];
    return (
      !this.#wantsPlacing(old) ||
      refusedBy(old) !== refusedBy(pod) ||
      !sameValue(old.metadata?.labels, pod.metadata?.labels) ||
      !sameValue(old.spec, pod.spec) ||
      !sameValue(old.status?.resourceClaimStatuses, pod.status?.resourceClaimStatuses)
    );
  }
}

function isUnplaced({ spec, metadata, status }: Readonly<Pod>): boolean {
  return (
    !spec?.nodeName &&
    metadata?.deletionTimestamp === undefined &&
    status?.phase !== 'Failed' &&
    status?.phase !== 'Succeeded'
  );
}

function isGated(pod: Readonly<Pod>): boolean {
  return isUnplaced(pod) && (pod.spec?.schedulingGates ?? []).length > 0;
}
