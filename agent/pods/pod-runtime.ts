import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { WorkQueue } from '../../lib/work-queue.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import { type Journal, JournalError } from '../desired/journal.ts';
import type { PodDevices } from '../devices/pod-devices.ts';
import type { ContainerHandle, RuntimeDriver } from '../drivers/driver.ts';
import { DriverError } from '../drivers/errors.ts';
import type { OpenDriver } from '../drivers/registry.ts';
import type { Listing } from '../drivers/runtime-health.ts';
import type { ImageFetching } from '../images/fetch-image.ts';
import type { StatusOutbox } from '../link/status-outbox.ts';
import { Prober } from '../probes/prober.ts';
import type { RunningContainer } from '../stats/usage-meter.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';
import { admit, refuseResize } from './admission.ts';
import { wantedInOrder } from './age-order.ts';
import { findContainer } from './find-container.ts';
import { heldAmounts } from './held-amounts.ts';
import type { NodeFacts } from './node-facts.ts';
import { planContext } from './plan-context.ts';
import { findContainer as containerNamed } from './plan-ending.ts';
import type { PlanContext } from './plan-parts.ts';
import { type PodRecord, parsePodRecord, podKeyPrefix } from './pod-record.ts';
import { PodWorker } from './pod-worker.ts';
import { afterReboot, newRecord, recover } from './recovery.ts';
import { removeOrphans } from './remove-orphans.ts';
import { isRemoved, outdatedTombstones } from './removed-pods.ts';
import { type RuntimeSlot, RuntimeSlots } from './runtime-drivers.ts';
import { tellUnenforced } from './unenforced-limits.ts';
import { WaitingPods } from './waiting-pods.ts';

export interface PodRuntimeOptions {
  clock: Clock;
  log: Logger;
  journal: Journal;
  desired: DesiredSet;
  outbox: StatusOutbox;
  /** Those that work on this device, the default first. */
  drivers: readonly OpenDriver[];
  volumes: PodVolumes;
  devices: PodDevices;
  images: ImageFetching;
  /** As PlanContext has it. */
  awaitsImagesUntilMs?: PlanContext['awaitsImagesUntilMs'];
  node: NodeFacts;
}

/** Pods whose plans may be made at the same time; steps run beside and have limits of their own. */
const workersMax = 16;
const retryBackoff = { baseMs: 1_000, capMs: 60_000 };
/** Only drift that no hint told of waits for this: one list per driver, and a look at a few pods. */
export const relistIntervalMs = 60_000;
export const inspectedPerRelistMax = 10;
/** How long a stopping agent waits for steps that have begun. */
const leaveTimeoutMs = 5_000;

/**
 * Runs the pods of the desired set: one worker per UID, woken by changes of the set, by hints of the drivers, by
 * the end of its own steps and by the time its plan names. Nothing here runs periodically but the relist.
 */
export class PodRuntime {
  readonly #options: PodRuntimeOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #slots: RuntimeSlots;
  readonly #queue: WorkQueue;
  readonly #prober: Prober;
  readonly #stopping = new AbortController();
  /** Pods of a runtime that is not in use: they may well run, so nothing is done about them. */
  readonly #stranded = new Set<string>();
  readonly #subscriptions: Disposable[] = [];
  #relistTimer: Timer | undefined;
  readonly #waiting: WaitingPods;
  /** Where the next relist goes on looking at pods. */
  #relistOffset = 0;

  constructor(options: PodRuntimeOptions) {
    this.#options = options;
    this.#waiting = new WaitingPods(options.outbox);
    this.#prober = new Prober({ clock: options.clock });
    this.#slots = new RuntimeSlots(options.drivers, {
      clock: options.clock,
      images: options.images,
      volumes: options.volumes,
      devices: options.devices,
      memoryInUse: options.node.memoryInUse ?? (() => Promise.resolve(undefined)),
    });
    this.#queue = new WorkQueue({
      clock: options.clock,
      workers: workersMax,
      backoff: retryBackoff,
      work: (uid) => this.#work(uid),
      onError: (uid, error, failures) => options.log.warn('pod sync failed', { pod: uid, error, failures }),
    });
  }

  /** Takes up what the journal, the drivers and the desired set say; needs no server. Returns before pods are up. */
  start(): void {
    const { journal, desired, log, node } = this.#options;
    for (const [key, value] of journal.entries) {
      if (!key.startsWith(podKeyPrefix)) continue;
      const record = parsePodRecord(value);
      if (record)
        this.#addWorker(afterReboot(record, node.bootId), { written: record.bootId === node.bootId });
      else log.error('a pod record cannot be read; what runs of the pod is looked for', { key });
    }
    this.#subscriptions.push(desired.onChange((keys) => this.#onDesiredChange(keys)));
    for (const slot of this.#slots.all) this.#takeUp(slot);
    this.#scheduleRelist();
  }

  #takeUp(slot: RuntimeSlot): void {
    this.#subscriptions.push(slot.driver.watch((uid) => this.#onHint(uid)));
    this.#subscriptions.push(slot.health.onBack((found) => this.#onBack(slot, found)));
    void slot.health.list().then((found) => {
      if (found && !slot.recovered && !this.#stopping.signal.aborted) this.#onListed(slot, found);
    });
  }

  /** These are in use from now on, the default first: what was in use before, and some found since. */
  useRuntimes(drivers: readonly OpenDriver[]): void {
    const before = new Set(this.#slots.all);
    this.#slots.use(drivers);
    for (const slot of this.#slots.all) {
      if (before.has(slot)) continue;
      for (const uid of this.#stranded) this.#resume(uid, slot);
      this.#takeUp(slot);
    }
  }

  /** Takes up a pod that was left as it is for want of its runtime. */
  #resume(uid: string, slot: RuntimeSlot): void {
    const { journal, node } = this.#options;
    const record = parsePodRecord(journal.entries.get(podKeyPrefix + uid));
    if (!record || (!record.refused && record.runtime !== slot.driver.name)) return;
    this.#stranded.delete(uid);
    this.#addWorker(afterReboot(record, node.bootId), { written: record.bootId === node.bootId });
  }

  /** Leaves everything running, to be adopted by the next start, unless the workloads shall stop too. */
  async stop({ workloads = false }: { workloads?: boolean } = {}): Promise<void> {
    this.#stopping.abort(new Error('the agent is stopping'));
    this.#relistTimer?.cancel();
    for (const subscription of this.#subscriptions.splice(0)) subscription[Symbol.dispose]();
    await this.#queue.stop();
    const timeout = new AbortController();
    const timer = this.#options.clock.after(leaveTimeoutMs, () => timeout.abort(), { unref: true });
    const workers = [...this.#workers.values()];
    await Promise.all(workers.map((worker) => worker.leave(timeout.signal)));
    timer.cancel();
    this.#prober[Symbol.dispose]();
    if (workloads) await Promise.all(workers.map((worker) => worker.stopContainers()));
  }

  /** The container a stream is about. Throws a ContainerNotFoundError, worded for a person as kubelet does. */
  find(target: { podUid: string; container: string; previous: boolean }): {
    driver: RuntimeDriver;
    handle: ContainerHandle;
    stdinOnce: boolean;
  } {
    const found = findContainer(this.#workers.get(target.podUid), target);
    const container = containerNamed(this.#desired(target.podUid), target.container);
    return { ...found, stdinOnce: container?.stdinOnce ?? false };
  }

  /** Pods that have begun and not ended. */
  evictable(): Pod[] {
    return [...this.#workers.values()].flatMap(({ record, stopped }) => {
      const pod = this.#desired(record.uid);
      const ended = record.refused || record.terminating || stopped;
      return pod && !ended ? [pod] : [];
    });
  }

  evict({ uid, message }: { uid: string; message: string }): void {
    this.#workers.get(uid)?.evict(message);
  }

  /** Every container that runs, as far as is known. */
  running(): RunningContainer[] {
    return [...this.#workers].flatMap(([podUid, { running, record }]) =>
      running.map((container) => ({ podUid, namespace: record.namespace, pod: record.name, ...container })),
    );
  }

  /** Pods that are on this device, refused ones included. */
  get podCount(): number {
    return this.#workers.size;
  }

  /** Resolves when every pod has been planned and waits for a step, a time or a change. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async #work(uid: string): Promise<{ requeueAfterMs?: number } | void> {
    const pod = this.#desired(uid);
    if (isRemoved(this.#options.journal, uid)) return this.#reportRemoved(uid, pod);
    const worker = this.#workers.get(uid) ?? this.#admit(uid, pod);
    if (!worker || !this.#isRecovered(worker.record)) return;
    const held = worker.record.reserved;
    const { wakeAfterMs } = await this.#sync(uid, worker);
    if (worker.removed) {
      this.#workers.delete(uid);
      this.#waiting.forget(uid);
      await this.#dropOutdatedTombstones();
    }
    if (worker.removed || worker.stopped || worker.record.reserved !== held) this.#wakeDeferred();
    if (wakeAfterMs !== undefined) return { requeueAfterMs: wakeAfterMs };
  }

  /** Nothing is asked of a runtime that does not answer; its return wakes its pods. */
  async #sync(uid: string, worker: PodWorker): Promise<{ wakeAfterMs: number | undefined }> {
    const slot = this.#slots.get(worker.record.runtime);
    if (slot?.health.problem !== undefined) {
      this.#waiting.tellRuntime(uid, slot);
      return { wakeAfterMs: undefined };
    }
    try {
      return await worker.sync();
    } catch (error) {
      if (error instanceof DriverError && error.code === 'RuntimeUnavailable') slot?.health.suspect();
      if (error instanceof JournalError)
        this.#waiting.tell(uid, 'disk', {
          reason: 'FailedSync',
          message: `error syncing pod: ${error.message}`,
        });
      throw error;
    }
  }

  /** It answers again; whatever its pods did meanwhile has to be looked at. */
  #onBack(slot: RuntimeSlot, found: Listing): void {
    this.#onListed(slot, found);
    for (const [uid, worker] of this.#workers) if (worker.driver === slot.driver) this.#lookAgain(uid);
    this.#waiting.released(slot.driver.name);
  }

  /** The disk takes writes again. */
  retryWrites(): void {
    for (const uid of this.#waiting.released('disk')) this.#queue.add(uid);
  }

  /** Somebody holds less than before, perhaps: who was put off for want of it may try again. */
  #wakeDeferred(): void {
    for (const [uid, { resizeDeferred }] of this.#workers) if (resizeDeferred) this.#queue.add(uid);
  }

  /** Undefined when there is nothing to do, or not yet. */
  #admit(uid: string, pod: Pod | undefined): PodWorker | undefined {
    if (!pod || this.#stranded.has(uid)) return undefined;
    const { namespace = '', name = '', deletionTimestamp } = pod.metadata ?? {};
    if (deletionTimestamp !== undefined) {
      this.#options.outbox.reportPod({ uid, namespace, name, removed: true });
      return undefined;
    }
    if (this.#slots.all.length === 0) {
      this.#waiting.tellRuntime(uid, undefined);
      return undefined;
    }
    const missing = this.#unlisted(pod);
    if (missing) {
      if (missing.health.problem !== undefined) this.#waiting.tellRuntime(uid, missing);
      return undefined;
    }
    const verdict = admit(pod, {
      allocatable: this.#options.node.allocatable(),
      ...this.#taken(),
      pressures: this.#options.node.pressures?.() ?? new Set(),
      allowedSysctls: this.#options.node.allowedSysctls ?? [],
      runtimes: this.#slots.all.map(({ driver }) => driver.name),
      ...(this.#options.node.counted ? { counted: this.#options.node.counted() } : {}),
    });
    if (verdict.admitted) tellUnenforced(pod, this.#slots.get(verdict.runtime)?.driver, this.#options.outbox);
    const record = newRecord({
      pod,
      runtime: verdict.admitted ? verdict.runtime : '',
      bootId: this.#options.node.bootId,
      startedAtMs: this.#options.clock.now(),
      reserved: verdict.reserved,
      ...(verdict.admitted ? {} : { refused: { reason: verdict.reason, message: verdict.message } }),
    });
    return this.#addWorker(record, { written: false });
  }

  /** A runtime that may already have the pod: until it was listed that is not known. */
  #unlisted({ spec }: Pod): RuntimeSlot | undefined {
    const named = this.#slots.get(spec?.runtimeClassName ?? '');
    return (named ? [named] : this.#slots.all).find(({ recovered }) => !recovered);
  }

  #taken(besides?: string): ReturnType<typeof heldAmounts> {
    const records = [...this.#workers.values()].map(({ record }) => record);
    return heldAmounts(
      records.filter(({ uid }) => uid !== besides),
      (uid) => this.#desired(uid),
    );
  }

  #isRecovered(record: PodRecord): boolean {
    return record.refused !== undefined || this.#slots.get(record.runtime)?.recovered === true;
  }

  #addWorker(record: PodRecord, options: { written: boolean }): PodWorker | undefined {
    const slot = this.#slots.get(record.runtime) ?? (record.refused ? this.#slots.all[0] : undefined);
    if (!slot) {
      this.#stranded.add(record.uid);
      this.#options.log.error('a pod belongs to a runtime that is not in use; it is left as it is', {
        pod: record.uid,
        runtime: record.runtime,
      });
      return undefined;
    }
    const { clock, journal, outbox, node } = this.#options;
    const { uid } = record;
    const worker = new PodWorker(
      {
        record,
        clock,
        journal,
        outbox,
        driver: slot.driver,
        prober: this.#prober,
        volumes: this.#options.volumes,
        executors: slot.executors,
        idScheme: slot.idScheme,
        log: this.#options.log.child({ pod: `${record.namespace}/${record.name}`, uid }),
        hostIps: node.hostIps,
        context: () => planContext(slot.driver, this.#options, (pod) => this.#refuseResize(pod)),
        desired: () => this.#desired(uid),
        wake: () => this.#queue.add(uid),
        suspectRuntime: () => slot.health.suspect(),
      },
      options,
    );
    this.#workers.set(uid, worker);
    return worker;
  }

  #refuseResize(pod: Pod): ReturnType<typeof refuseResize> {
    const { node } = this.#options;
    return refuseResize(pod, {
      allocatable: node.allocatable(),
      ...this.#taken(pod.metadata?.uid),
      ...(node.counted ? { counted: node.counted() } : {}),
    });
  }

  #desired(uid: string): Pod | undefined {
    return this.#options.desired.entries.get(`Pod/${uid}`)?.object;
  }

  #onDesiredChange(keys: ReadonlySet<string>): void {
    const configuration = new Set<string>();
    for (const key of keys) {
      if (key.startsWith('Pod/')) this.#queue.add(key.slice('Pod/'.length));
      else configuration.add(key);
    }
    if (configuration.size === 0) return;
    for (const [uid, worker] of this.#workers) {
      const pod = this.#desired(uid);
      const concerned = pod !== undefined && this.#options.volumes.concerns(pod, configuration);
      if (concerned || worker.waitsForConfiguration) this.#queue.add(uid);
    }
  }

  /** Something that the pod's volumes are made of changed beside the desired set. */
  refresh(uid: string): void {
    if (this.#workers.has(uid)) this.#queue.add(uid);
  }

  /** Something was plugged in or out. */
  devicesChanged(): void {
    for (const worker of this.#workers.values()) worker.devicesChanged(this.#options.devices.nodesOf);
  }

  /** Images have come by another way than a pull: who waits for one looks again. */
  retryImages(): void {
    for (const [uid, worker] of this.#workers) if (worker.retryImages()) this.#queue.add(uid);
  }

  #onHint(uid: string): void {
    const worker = this.#workers.get(uid);
    if (!worker) return;
    worker.distrust('containers');
    this.#queue.add(uid);
  }

  #reportRemoved(uid: string, pod: Pod | undefined): void {
    if (!pod) return;
    const { namespace = '', name = '' } = pod.metadata ?? {};
    this.#options.outbox.reportPod({ uid, namespace, name, removed: true });
  }

  async #dropOutdatedTombstones(): Promise<void> {
    const { journal } = this.#options;
    const changes = outdatedTombstones(journal, (uid) => this.#desired(uid) !== undefined);
    if (changes.length > 0) await journal.write(changes);
  }

  /** At start, and at every relist: adopts what is ours, removes what is nobody's. */
  #onListed(slot: RuntimeSlot, found: Listing): void {
    const { clock, journal, node } = this.#options;
    const settled = (uid: string) => !this.#workers.get(uid)?.busy;
    const records = new Map([...this.#workers].map(([uid, { record }]) => [uid, record]));
    const { adopted, orphans } = recover(
      {
        driver: slot.driver.name,
        sandboxes: found.sandboxes.filter(({ podUid }) => settled(podUid)),
        containers: found.containers.filter(({ podUid }) => settled(podUid)),
      },
      {
        records,
        desired: (uid) => (isRemoved(journal, uid) ? undefined : this.#desired(uid)),
        bootId: node.bootId,
        now: { wallMs: clock.now(), monotonicMs: clock.monotonic() },
      },
    );
    for (const record of adopted) {
      const worker = this.#workers.get(record.uid);
      if (worker) worker.adopt(record);
      else this.#addWorker(record, { written: false });
    }
    void removeOrphans(slot.driver, orphans, this.#options.log);
    if (slot.recovered) {
      for (const { uid } of adopted) this.#queue.add(uid);
      return;
    }
    slot.recovered = true;
    this.#options.log.info('runtime is ready', {
      runtime: slot.driver.name,
      containers: found.containers.length,
      adopted: adopted.length,
      orphans: orphans.containers.length,
    });
    const allRecovered = this.#slots.all.every(({ recovered }) => recovered);
    if (allRecovered) void this.#sweepVolumes();
    for (const uid of new Set([...this.#workers.keys(), ...wantedInOrder(this.#options.desired)])) {
      const worker = this.#workers.get(uid);
      if (!worker || worker.driver === slot.driver) this.#queue.add(uid);
    }
  }

  async #sweepVolumes(): Promise<void> {
    const isKnown = (uid: string) => this.#workers.has(uid) || this.#desired(uid) !== undefined;
    await this.#options.volumes.sweep(isKnown).catch((error: unknown) => {
      this.#options.log.warn('volumes of unknown pods stay until the next start', { error });
    });
  }

  #scheduleRelist(): void {
    const { clock } = this.#options;
    if (this.#stopping.signal.aborted) return;
    this.#relistTimer = clock.after(
      relistIntervalMs,
      () => void this.#relist().finally(() => this.#scheduleRelist()),
      {
        unref: true,
      },
    );
  }

  async #relist(): Promise<void> {
    if (this.#stopping.signal.aborted || this.#workers.size === 0) return;
    for (const slot of this.#slots.all) {
      if (!slot.recovered || slot.health.problem !== undefined) continue;
      // What a step makes while the list is under way would look unknown.
      const quiet = new Set([...this.#workers].filter(([, { busy }]) => !busy).map(([uid]) => uid));
      const found = await slot.health.list();
      if (!found) continue;
      const { sandboxes, containers } = found;
      const known = ({ podUid }: { podUid: string }) => quiet.has(podUid) || !this.#workers.has(podUid);
      this.#onListed(slot, { sandboxes: sandboxes.filter(known), containers: containers.filter(known) });
      this.#lookForMissing(slot, containers, quiet);
    }
    this.#wakeDeferred();
    const uids = [...this.#workers.keys()];
    const looked = uids.slice(this.#relistOffset, this.#relistOffset + inspectedPerRelistMax);
    this.#relistOffset =
      this.#relistOffset + looked.length >= uids.length ? 0 : this.#relistOffset + looked.length;
    for (const uid of looked) this.#lookAgain(uid);
  }

  #lookForMissing(slot: RuntimeSlot, listed: readonly ContainerHandle[], quiet: ReadonlySet<string>): void {
    const ids = new Set(listed.map(({ id }) => id));
    for (const uid of quiet) {
      const worker = this.#workers.get(uid);
      if (worker?.driver !== slot.driver) continue;
      const handles = Object.values(worker.record.containers).filter(({ exit }) => !exit);
      if (handles.some(({ handle }) => !ids.has(handle.id))) this.#lookAgain(uid);
    }
  }

  #lookAgain(uid: string): void {
    this.#workers.get(uid)?.distrust('all');
    this.#queue.add(uid);
  }
}
