import type { Clock } from '../../lib/clock.ts';
import { Limiter } from '../pods/limiter.ts';
import type { Action } from './action.ts';
import { createDueQueue, type DueQueue } from './due-queue.ts';
import { countResult, type ProbeCount, type Thresholds } from './probe-count.ts';
import { type Outcome, type Surroundings, takeAction } from './take-action.ts';

export type ProbeKind = 'liveness' | 'readiness' | 'startup';

/** One probe of one attempt of a container. */
export interface ProbeTarget extends Thresholds {
  container: string;
  attempt: number;
  kind: ProbeKind;
  action: Action;
  /** Not before this monotonic time. */
  firstAtMs: number;
  periodMs: number;
  timeoutMs: number;
  /** What is known already, so that only news are told. */
  healthy: boolean | undefined;
}

export interface ProbeVerdict {
  container: string;
  attempt: number;
  kind: ProbeKind;
  healthy: boolean;
}

export interface ProbeListener extends Omit<Surroundings, 'exec' | 'clock'> {
  exec: (target: ProbeTarget, command: readonly string[]) => ReturnType<Surroundings['exec']>;
  /** The thresholds are passed. */
  onVerdict: (verdict: ProbeVerdict) => void;
  /** Something to show: not every one of an endless row of failures. */
  onOutcome: (target: ProbeTarget, outcome: Outcome) => void;
}

const slackMs = 100;
/** A command in a container is a new process, or several: a small board does few at a time. */
export const commandsAtOnceMax = 2;
export const connectionsAtOnceMax = 16;
/** What it may take an engine on a busy small board to begin a command; not the container's fault, so on top. */
export const commandStartMs = 2_000;
/** After the first of a row of failures, as many as lead to the verdict are told, then one in this time. */
export const tellAgainAfterMs = 5 * 60_000;

interface Running {
  podUid: string;
  target: ProbeTarget;
  listener: ProbeListener;
  count: ProbeCount;
  underWay: AbortController | undefined;
  toldAtMs: number;
  /** A liveness or startup probe that has failed is not tried again: the container goes. */
  settled: boolean;
}

/**
 * Runs every probe of the device, by the monotonic clock alone. What is to be probed is given anew after each plan
 * of a pod; only verdicts that change something come back, so that probing wakes no pod worker. Nothing of it
 * survives the agent: the verdicts are the pod worker's to keep.
 */
export class Prober implements Disposable {
  readonly #clock: Clock;
  readonly #queue: DueQueue;
  readonly #probes = new Map<string, Running>();
  readonly #byPod = new Map<string, Set<string>>();
  readonly #commands = new Limiter(commandsAtOnceMax);
  readonly #connections = new Limiter(connectionsAtOnceMax);

  constructor({ clock }: { clock: Clock }) {
    this.#clock = clock;
    this.#queue = createDueQueue({ clock, slackMs, onDue: (key) => void this.#run(key) });
  }

  /** Exactly these are probed of the pod from now on; those that are known already go on as they are. */
  watch(podUid: string, targets: readonly ProbeTarget[], listener: ProbeListener): void {
    const wanted = new Map(targets.map((target) => [keyOf(podUid, target), target]));
    for (const key of this.#byPod.get(podUid) ?? []) if (!wanted.has(key)) this.#drop(key);
    for (const [key, target] of wanted) {
      if (this.#probes.has(key)) continue;
      this.#probes.set(key, {
        podUid,
        target,
        listener,
        count: { last: undefined, inARow: 0, healthy: target.healthy },
        underWay: undefined,
        toldAtMs: Number.NEGATIVE_INFINITY,
        settled: false,
      });
      this.#queue.set(key, Math.max(target.firstAtMs, this.#clock.monotonic()));
    }
    if (wanted.size > 0) this.#byPod.set(podUid, new Set(wanted.keys()));
    else this.#byPod.delete(podUid);
  }

  forget(podUid: string): void {
    for (const key of this.#byPod.get(podUid) ?? []) this.#drop(key);
    this.#byPod.delete(podUid);
  }

  get size(): number {
    return this.#probes.size;
  }

  [Symbol.dispose](): void {
    for (const podUid of this.#byPod.keys()) this.forget(podUid);
    this.#queue[Symbol.dispose]();
  }

  #drop(key: string): void {
    this.#probes.get(key)?.underWay?.abort(new Error('no longer probed'));
    this.#probes.delete(key);
    this.#queue.delete(key);
  }

  async #run(key: string): Promise<void> {
    const probe = this.#probes.get(key);
    if (!probe || probe.settled) return;
    const { target, listener } = probe;
    const dueAtMs = this.#clock.monotonic();
    const abort = new AbortController();
    probe.underWay = abort;
    const limiter = target.action.type === 'exec' ? this.#commands : this.#connections;
    const outcome = await limiter
      .run(() => this.#take(target, listener, abort), abort.signal)
      .catch((): Outcome => ({ result: 'unknown', message: 'given up' }));
    if (this.#probes.get(key) !== probe) return;
    probe.underWay = undefined;
    this.#judge(probe, outcome);
    if (!probe.settled) this.#queue.set(key, Math.max(dueAtMs + target.periodMs, this.#clock.monotonic()));
  }

  async #take(target: ProbeTarget, listener: ProbeListener, abort: AbortController): Promise<Outcome> {
    const timeUp = new Error(`context deadline exceeded (no answer within ${target.timeoutMs / 1000} s)`);
    const timeoutMs = target.timeoutMs + (target.action.type === 'exec' ? commandStartMs : 0);
    const timer = this.#clock.after(timeoutMs, () => abort.abort(timeUp), { unref: true });
    try {
      return await takeAction(
        target.action,
        {
          clock: this.#clock,
          address: listener.address,
          exec: (command) => listener.exec(target, command),
        },
        abort.signal,
      );
    } finally {
      timer.cancel();
    }
  }

  #judge(probe: Running, outcome: Outcome): void {
    const { target, listener } = probe;
    const before = probe.count.healthy;
    probe.count = countResult(probe.count, outcome.result, target);
    if (this.#isWorthTelling(probe, outcome)) listener.onOutcome(target, outcome);
    const { healthy } = probe.count;
    probe.settled = target.kind !== 'readiness' && healthy === false;
    if (healthy === undefined || healthy === before) return;
    const { container, attempt, kind } = target;
    listener.onVerdict({ container, attempt, kind, healthy });
  }

  #isWorthTelling(probe: Running, { result }: Outcome): boolean {
    if (result === 'success') return false;
    const now = this.#clock.monotonic();
    const leadsToVerdict = result === 'failure' && probe.count.inARow <= probe.target.failureThreshold;
    if (!leadsToVerdict && now - probe.toldAtMs < tellAgainAfterMs) return false;
    probe.toldAtMs = now;
    return true;
  }
}

function keyOf(podUid: string, { container, attempt, kind }: ProbeTarget): string {
  return `${podUid}/${container}/${attempt}/${kind}`;
}
