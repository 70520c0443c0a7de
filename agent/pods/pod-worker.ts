import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import type { PodReport } from '../../protocol/topics/sync.ts';
import type { Journal } from '../desired/journal.ts';
import type { ContainerHandle, ContainerState, RuntimeDriver } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import type { StatusOutbox } from '../link/status-outbox.ts';
import { podAddress } from '../probes/pod-address.ts';
import type { ProbeListener, Prober } from '../probes/prober.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { probeTargets } from './container-health.ts';
import { containersOf, isOver } from './container-view.ts';
import { execute } from './executors.ts';
import { plan, withFailed } from './plan.ts';
import { notedActiveMs } from './plan-deadline.ts';
import { findContainer, sharesHost } from './plan-ending.ts';
import { evictedReason } from './plan-eviction.ts';
import { isTerminating, type Plan, type PlanContext } from './plan-parts.ts';
import { graceSecondsOf } from './plan-sandbox.ts';
import { type Announcement, announce, announceProbe, announceWaiting } from './pod-events.ts';
import { type PodRecord, podKeyPrefix, removedKeyPrefix } from './pod-record.ts';
import { initialState, type Now, type PodEvent, type PodState, reduce } from './pod-state.ts';
import { podStatus } from './pod-status.ts';
import { grant } from './resize.ts';
import { restarted } from './restart-all.ts';
import {
  containerTarget,
  type Executors,
  isImageTarget,
  type Step,
  sandboxTarget,
  type Target,
  targetOf,
} from './steps.ts';
import { execIn } from './take-hook.ts';
import { inspectWithMessage } from './termination-message.ts';
import { UpdateLock } from './update-lock.ts';

export interface PodWorkerOptions {
  record: PodRecord;
  driver: RuntimeDriver;
  executors: Executors<PodEvent>;
  clock: Clock;
  log: Logger;
  journal: Journal;
  outbox: StatusOutbox;
  prober: Prober;
  volumes: Pick<PodVolumes, 'hasFile'>;
  /** `podman` in `podman://<id>`. */
  idScheme: string;
  hostIps: () => readonly string[];
  context: () => PlanContext;
  /** The pod as it is wanted at this moment; undefined when it is not any more. */
  desired: () => Pod | undefined;
  /** Asks for another `sync`, soon. */
  wake: () => void;
  /** A step failed for want of the runtime. */
  suspectRuntime: () => void;
}

/**
 * Everything about one pod UID. `sync` is called by one caller at a time; steps run beside it and come back as
 * events, which are reduced at once and planned upon by the next `sync`.
 */
export class PodWorker {
  readonly #options: PodWorkerOptions;
  #state: PodState;
  /** Counts changes of the state, so that a plan made before an event is not acted upon. */
  #version = 0;
  #written: PodRecord | undefined;
  #reported: PodReport | undefined;
  #stale: 'no' | 'containers' | 'all' = 'all';
  #waiting: Plan['waiting'] = {};
  #resizePending: Plan['resizePending'];
  readonly #underWay = new Map<Step, { abort: AbortController; end: Promise<void> }>();
  #removed = false;
  readonly #lock: UpdateLock;
  /** Devices that its containers were given and that are gone, as `kind/name`. */
  readonly #missing = new Set<string>();

  /** `written` tells that the record is in the journal as it is. */
  constructor(options: PodWorkerOptions, { written }: { written: boolean }) {
    this.#options = options;
    this.#state = initialState(options.record, this.#now());
    this.#written = written ? options.record : undefined;
    this.#lock = new UpdateLock(options);
  }

  get record(): PodRecord {
    return this.#state.record;
  }

  get driver(): RuntimeDriver {
    return this.#options.driver;
  }

  /** Nothing of the pod runs, nor will again. */
  get stopped(): boolean {
    const pod = this.#options.desired();
    return pod !== undefined && isOver(this.#state, containersOf(pod.spec));
  }

  /** What was last seen to run, with the number of its first process. */
  get running(): { container: string; attempt: number; pid: number; startedAtMs: number }[] {
    const { record, observed } = this.#state;
    return Object.values(record.containers).flatMap(({ handle: { container, attempt }, exit }) => {
      const seen = observed[container];
      return seen?.state === 'running' && !exit
        ? [{ container, attempt, pid: seen.pid, startedAtMs: seen.startedAtMs }]
        : [];
    });
  }

  /** Torn down for good; the worker may be forgotten. */
  get removed(): boolean {
    return this.#removed;
  }

  get busy(): boolean {
    return this.#underWay.size > 0;
  }

  get #usesDevices(): boolean {
    const { reserved } = this.#state.record;
    return reserved.devices !== undefined || (this.#options.desired()?.spec?.resourceClaims ?? []).length > 0;
  }

  /** Whether a container waits for a ConfigMap or Secret. */
  get waitsForConfiguration(): boolean {
    return Object.values(this.#waiting).some(({ reason }) => reason === 'CreateContainerConfigError');
  }

  /** It asks for more than the node has to give now. */
  get resizeDeferred(): boolean {
    return this.#resizePending?.reason === 'Deferred';
  }

  /** Why the container does not run, undefined when nothing keeps it. */
  waitingReason(container: string): string | undefined {
    return this.#waiting[container]?.reason;
  }

  /** False when none of its pulls has failed. */
  retryImages(): boolean {
    const failed = Object.keys(this.#state.failures).some(isImageTarget);
    if (failed) this.#apply({ type: 'imagesImported' });
    return failed;
  }

  /** What is known of the pod's containers may be out of date: look before planning again. */
  distrust(scope: 'containers' | 'all'): void {
    if (this.#stale !== 'all') this.#stale = scope;
  }

  /** Puts an end to the pod: the node cannot bear it any longer. */
  evict(message: string): void {
    const failed = { reason: evictedReason, message };
    this.#announce({ type: 'Warning', ...failed });
    this.#state = withFailed(this.#state, failed);
    this.#version += 1;
    this.#options.wake();
  }

  /** Something was plugged in or out: says what that means for the pod, and has it looked at. */
  devicesChanged(nodesOf: (key: string) => string | undefined): void {
    if (!this.#usesDevices) return;
    const running = Object.values(this.#state.record.containers).filter(({ exit }) => !exit);
    for (const key of new Set(running.flatMap(({ devices = {} }) => Object.keys(devices)))) {
      const present = nodesOf(key) !== undefined;
      if (present === !this.#missing.has(key)) continue;
      if (present) this.#missing.delete(key);
      else this.#missing.add(key);
      this.#announce(
        present
          ? { type: 'Normal', reason: 'DevicePluggedIn', message: `Device ${key} is there again` }
          : { type: 'Warning', reason: 'DeviceUnplugged', message: `Device ${key} is not there any more` },
      );
    }
    this.#apply({ type: 'devicesChanged' });
    this.#options.wake();
  }

  /** Takes over what was found in the runtime and is newer than the record. */
  adopt(record: PodRecord): void {
    this.#apply({ type: 'adopted', record });
    this.distrust('all');
  }

  /**
   * Observes if need be, plans, writes down, then begins the steps and reports. Resolves to the delay until the
   * next look.
   */
  async sync(): Promise<{ wakeAfterMs: number | undefined }> {
    if (this.#removed) return { wakeAfterMs: undefined };
    if (this.#stale !== 'no') await this.#observe();
    const lookAfterMs = await this.#lock.look(this.#options.desired());
    const { planned, pod, status } = await this.#planDurably();
    this.#announceWaiting(planned.waiting);
    this.#waiting = planned.waiting;
    this.#announcePending(planned.resizePending);
    this.#resizePending = planned.resizePending;
    if (planned.removed) return this.#finish();
    for (const [step, { abort }] of this.#underWay) {
      if (planned.abandon.includes(targetOf(step))) abort.abort(new Error('no longer wanted'));
    }
    for (const step of planned.steps) {
      this.#hurry(targetOf(step));
      this.#begin(step);
    }
    this.#report(pod, status);
    this.#probe(pod);
    const { wakeAtMs } = planned;
    const planAfterMs = wakeAtMs === undefined ? undefined : Math.max(0, wakeAtMs - this.#now().monotonicMs);
    const waits = [planAfterMs, lookAfterMs].filter((wait) => wait !== undefined);
    return { wakeAfterMs: waits.length > 0 ? Math.min(...waits) : undefined };
  }

  /** A stop that is overtaken by a shorter one must not go on waiting for its hook. */
  #hurry(target: Target): void {
    for (const [step, { abort }] of this.#underWay)
      if (step.type === 'stopContainer' && targetOf(step) === target) abort.abort(new Error('hurried'));
  }

  #probe(pod: Pod | undefined): void {
    const { prober } = this.#options;
    const { record } = this.#state;
    if (!pod || record.refused) return prober.forget(record.uid);
    prober.watch(record.uid, probeTargets(pod, this.#state, this.#now()), this.#probeListener(pod));
  }

  #probeListener(pod: Pod): ProbeListener {
    return {
      address: () =>
        podAddress({
          podIp: this.#state.record.podIps[0] ?? '',
          sharesHost: sharesHost(pod, this.#state),
        }),
      exec: ({ container, attempt }, command) => {
        const handle = this.#state.record.containers[container]?.handle;
        if (handle?.attempt !== attempt) throw new DriverError('NotFound', `${container} has ended`);
        return execIn(this.driver, handle, command);
      },
      onVerdict: (verdict) => {
        this.#apply({ type: 'probed', ...verdict });
        this.#options.wake();
      },
      onOutcome: (target, outcome) => this.#announce(announceProbe(target, outcome)),
    };
  }

  /** Stops nothing that runs: gives up pulls, waits a little for what has begun, and writes down where things stand. */
  async leave(signal: AbortSignal): Promise<void> {
    for (const [step, { abort }] of this.#underWay) {
      if (step.type === 'pullImage' || step.type === 'postStart')
        abort.abort(new Error('the agent is stopping'));
    }
    this.#options.prober.forget(this.#state.record.uid);
    const settled = Promise.all([...this.#underWay.values()].map(({ end }) => end));
    await Promise.race([settled, aborted(signal)]);
    if (this.#removed) return;
    // What cannot be written now is recognised in the runtime by the next start.
    await this.#write().catch((error: unknown) =>
      this.#options.log.warn('pod record not written', { error }),
    );
  }

  /** Stops what runs without giving the pod up: the next start of the agent starts it again. */
  async stopContainers(): Promise<void> {
    const { containers, graceSeconds } = this.#state.record;
    const alive = Object.values(containers).filter(({ exit }) => !exit);
    const stops = alive.map(({ handle }) => this.driver.stop(handle, { graceMs: graceSeconds * 1000 }));
    for (const result of await Promise.allSettled(stops)) {
      if (result.status === 'rejected')
        this.#options.log.warn('a container was not stopped', { error: result.reason });
    }
  }

  /**
   * Plans until nothing happened while the plan's record was being written, so that no step rests on an old
   * decision.
   */
  async #planDurably(): Promise<{ planned: Plan; pod: Pod | undefined; status: object | undefined }> {
    for (;;) {
      const pod = this.#options.desired();
      const context = this.#options.context();
      const planned = plan({ pod, state: this.#state, now: this.#now(), context });
      if (planned.failed) this.#fail(planned.failed);
      const status = this.#note(pod, planned, context);
      const version = this.#version;
      await this.#write();
      const settled = version === this.#version && !planned.restartAll;
      if (settled && pod === this.#options.desired()) return { planned, pod, status };
    }
  }

  /** The steps that follow are taken only when this is on disk. */
  #fail(failed: { reason: string; message: string }): void {
    this.#state = withFailed(this.#state, failed);
    this.#announce({ type: 'Normal', ...failed });
  }

  /** Takes into the record what the plan decided, and makes the status to report. */
  #note(pod: Pod | undefined, planned: Plan, context: PlanContext): object | undefined {
    const { record } = this.#state;
    const terminating = isTerminating(pod, record);
    const containers = { ...record.containers };
    for (const name of planned.replace) {
      const container = containers[name];
      if (container) containers[name] = { ...container, replace: true };
    }
    const activeMs = notedActiveMs(pod, this.#state, this.#now());
    const { allocation } = planned;
    const noted = { ...record, containers };
    const next = {
      ...(pod && allocation ? grant(noted, pod, allocation) : planned.restartAll ? restarted(noted) : noted),
      ...(activeMs === undefined ? {} : { activeMs }),
      volumes: record.volumes || planned.steps.some(({ type }) => type === 'prepareVolumes'),
      terminating,
      graceSeconds: pod ? graceSecondsOf(pod) : record.graceSeconds,
    };
    this.#state = { ...this.#state, record: next };
    if (!pod || terminating || record.refused) return undefined;
    const { status, transitions } = podStatus({
      pod,
      state: this.#state,
      plan: planned,
      wallMs: this.#options.clock.now(),
      idScheme: this.#options.idScheme,
      hostIps: this.#options.hostIps(),
      deviceNodes: context.deviceNodes,
      lock: this.#lock.condition,
    });
    this.#state = { ...this.#state, record: { ...next, transitions } };
    return status;
  }

  async #write(): Promise<void> {
    const { record } = this.#state;
    if (this.#written && isDeepStrictEqual(this.#written, record)) return;
    await this.#options.journal.write([{ key: podKeyPrefix + record.uid, value: record }]);
    this.#written = record;
  }

  /** The tombstone takes the record's place in one write; only then is the server told. */
  async #finish(): Promise<{ wakeAfterMs: undefined }> {
    const { uid, namespace, name } = this.#state.record;
    await this.#options.journal.write([
      { key: podKeyPrefix + uid, value: undefined },
      { key: removedKeyPrefix + uid, value: true },
    ]);
    this.#removed = true;
    this.#options.prober.forget(uid);
    this.#options.outbox.reportPod({ uid, namespace, name, removed: true });
    return { wakeAfterMs: undefined };
  }

  #report(pod: Pod | undefined, status: object | undefined): void {
    const { uid, namespace, name, refused } = this.#state.record;
    const report: PodReport | undefined = refused
      ? { uid, namespace, name, refused }
      : pod && status && { uid, namespace, name, status: { ...status } };
    if (!report || isDeepStrictEqual(report, this.#reported)) return;
    this.#reported = report;
    this.#options.outbox.reportPod(report);
  }

  #begin(step: Step): void {
    const abort = new AbortController();
    this.#apply({ type: 'begun', target: targetOf(step), step });
    const end = execute(this.#options.executors, step, abort.signal).then((event) => {
      this.#underWay.delete(step);
      this.#logFailure(event);
      if (event.type === 'containerStarted' && !event.state) this.distrust('containers');
      this.#apply(event);
      this.#options.wake();
    });
    this.#underWay.set(step, { abort, end });
  }

  #apply(event: PodEvent): void {
    this.#announce(announce(event));
    this.#state = reduce(this.#state, event, this.#now());
    this.#version += 1;
  }

  #announcePending(pending: Plan['resizePending']): void {
    if (!pending || pending.reason === this.#resizePending?.reason) return;
    this.#announce({ ...pending, type: 'Warning', reason: `Resize${pending.reason}` });
  }

  #announceWaiting(waiting: Plan['waiting']): void {
    for (const [container, reason] of Object.entries(waiting)) {
      if (this.#waiting[container]?.reason === reason.reason) continue;
      for (const announcement of announceWaiting(this.#state.record, container, reason))
        this.#announce(announcement);
    }
  }

  #announce(announcement: Announcement | undefined): void {
    if (!announcement) return;
    this.#options.outbox.reportEvent({ uid: this.#state.record.uid, ...announcement });
  }

  /** Looks at what has no step under way; a step's own outcome is newer than what is seen meanwhile. */
  async #observe(): Promise<void> {
    const scope = this.#stale;
    this.#stale = 'no';
    const { driver } = this.#options;
    const { record, underWay, sandbox } = this.#state;
    const looked = Object.values(record.containers).filter(
      ({ exit, handle }) => !exit && !underWay[containerTarget(handle.container)],
    );
    try {
      const seen = await Promise.all(
        looked.map(async ({ handle }) => [handle.container, await this.#inspect(handle)] as const),
      );
      const containers = Object.fromEntries(seen);
      const someEnded = seen.some(([, { state }]) => state === 'exited' || state === 'missing');
      const lookAtSandbox = scope === 'all' || sandbox === undefined || someEnded;
      const inspected =
        lookAtSandbox && record.sandbox && !underWay[sandboxTarget]
          ? await driver.inspectSandbox(record.sandbox)
          : undefined;
      this.#apply({ type: 'observed', containers, ...(inspected ? { sandbox: inspected } : {}) });
    } catch (error) {
      // The old picture stays, and the difference is seen by the next look.
      this.distrust(scope === 'all' ? 'all' : 'containers');
      throw error;
    }
  }

  #inspect(handle: ContainerHandle): Promise<ContainerState> {
    const container = findContainer(this.#options.desired(), handle.container);
    return inspectWithMessage(this.driver, handle, container);
  }

  #now(): Now {
    const { clock } = this.#options;
    return { wallMs: clock.now(), monotonicMs: clock.monotonic() };
  }

  #logFailure(event: PodEvent): void {
    if (event.type !== 'failed') return;
    if (event.code === 'RuntimeUnavailable') this.#options.suspectRuntime();
    const target: Target = targetOf(event.step);
    this.#options.log.warn('a step failed', {
      step: event.step.type,
      target,
      code: event.code,
      error: event.message,
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
