import { type Clock, sleep, type Timer } from '../../../lib/clock.ts';
import type { Logger } from '../../../lib/log.ts';
import type { ContainerState } from '../driver.ts';
import { currentBootId, isAlive, sendSignal } from '../process-identity.ts';
import type { CgroupTree } from './cgroups.ts';
import {
  type ContainerFolder,
  cgroupPath,
  type ExitRecord,
  firstProcess,
  imageOf,
  readExit,
  readStart,
  recordUnknownExit,
  type StartRecord,
} from './container-folder.ts';
import { ContainerLog, type LogLimits } from './container-log.ts';
import { askToEnd, membersBySession, shimAlive, signalOf } from './container-members.ts';

export interface RunningContainersOptions {
  clock: Clock;
  log: Logger;
  logLimits: LogLimits;
  /** Undefined where this agent may not make any. */
  cgroups: () => CgroupTree | undefined;
  /** One has ended. */
  onEnded: (podUid: string) => void;
}

/** How often a process that is not our child is looked at; a child's end is told by the kernel. */
const adoptedLookMs = 1_000;
const stopLookMs = 10;

export interface Running {
  folder: ContainerFolder;
  start: StartRecord;
  log: ContainerLog;
  adopted: boolean;
}

/**
 * Which containers run and how the others ended: from the disk and /proc alone, so that it is the same before and after
 * a restart of the agent. What is kept in memory are the logs of those that run, and that somebody looks for their end.
 */
export class RunningContainers implements Disposable {
  readonly #options: RunningContainersOptions;
  readonly #bootId = currentBootId();
  readonly #running = new Map<string, Running>();
  /** Ended containers of which nothing is left over, by folder. */
  readonly #cleared = new Set<string>();
  /** Of those that have been started, by folder. */
  readonly #images = new Map<string, ReturnType<typeof imageOf>>();
  #lookTimer: Timer | undefined;

  constructor(options: RunningContainersOptions) {
    this.#options = options;
  }

  /** `created` may also mean missing. */
  stateOf(folder: ContainerFolder): ContainerState {
    const start = readStart(folder);
    if (!start) return { state: 'created' };
    const alive = isAlive(start, this.#bootId) || shimAlive(start, this.#bootId);
    const exit =
      readExit(folder) ?? (alive ? undefined : recordUnknownExit(folder, this.#options.clock.now()));
    if (exit) return this.#exitedState(folder, start, exit);
    if (!this.#running.has(folder.path)) this.track(folder, start, true);
    const { imageId } = this.#imageOf(folder);
    const pid = (imageId === '' ? undefined : firstProcess(folder, start)) ?? start.pid;
    return { state: 'running', pid, startedAtMs: start.startedAtMs, imageId };
  }

  isRunning(folder: ContainerFolder): boolean {
    return this.stateOf(folder).state === 'running';
  }

  /** Undefined when it does not run. */
  find(folder: ContainerFolder): Running | undefined {
    this.stateOf(folder);
    return this.#running.get(folder.path);
  }

  /** Whether its end has not been noted yet. */
  holds(running: Running | undefined): boolean {
    return running !== undefined && this.#running.get(running.folder.path) === running;
  }

  track(folder: ContainerFolder, start: StartRecord, adopted: boolean): void {
    const known = this.#running.get(folder.path);
    if (known) {
      known.adopted = adopted;
      return;
    }
    const log = this.openLog(folder);
    log.observe();
    this.#running.set(folder.path, { folder, start, log, adopted });
    if (adopted) this.#lookAtAdopted();
  }

  openLog(folder: ContainerFolder): ContainerLog {
    const { clock, logLimits } = this.#options;
    return new ContainerLog(folder.path, { clock, limits: logLimits });
  }

  /** Not asked for by anybody: a disk that fails is told by whoever asks next. */
  lookWhetherEnded(folder: ContainerFolder): void {
    try {
      this.noteEnd(folder);
    } catch (error) {
      this.#options.log.warn('a container cannot be looked at', { folder: folder.path, error });
    }
  }

  noteEnd(folder: ContainerFolder): void {
    const running = this.#running.get(folder.path);
    if (!running || this.isRunning(folder)) return;
    this.#running.delete(folder.path);
    running.log.conclude();
    this.#options.onEnded(folder.podUid);
  }

  /** Asks it to end, and waits as long for that. */
  async ask({ folder, start }: Running, graceMs: number, stopSignal: string | undefined): Promise<void> {
    const { clock } = this.#options;
    const image = this.#imageOf(folder);
    if (image.imageId === '') askToEnd(start, this.#bootId, stopSignal);
    else {
      const first = firstProcess(folder, start);
      if (first !== undefined) sendSignal(first, signalOf(stopSignal || image.stopSignal));
    }
    const deadline = clock.monotonic() + graceMs;
    while (this.isRunning(folder) && clock.monotonic() < deadline)
      await sleep(clock, Math.min(stopLookMs, deadline - clock.monotonic()));
  }

  /** False when the kernel does not let it die within so many rounds. */
  async kill({ folder, start }: Running, roundsMax: number): Promise<boolean> {
    for (let round = 0; this.isRunning(folder); round++) {
      if (round === roundsMax) return false;
      this.#killAll(folder, start);
      await sleep(this.#options.clock, stopLookMs);
    }
    this.noteEnd(folder);
    return true;
  }

  /** Its folder is gone. */
  forget(folder: ContainerFolder): void {
    this.#cleared.delete(folder.path);
    this.#images.delete(folder.path);
  }

  [Symbol.dispose](): void {
    this.#lookTimer?.cancel();
    for (const { log } of this.#running.values()) log.conclude();
    this.#running.clear();
  }

  #imageOf(folder: ContainerFolder): ReturnType<typeof imageOf> {
    const known = this.#images.get(folder.path);
    if (known) return known;
    const found = imageOf(folder);
    this.#images.set(folder.path, found);
    return found;
  }

  #exitedState(folder: ContainerFolder, start: StartRecord, exit: ExitRecord): ContainerState {
    this.#killLeftovers(folder, start);
    const cgroup = this.#options.cgroups()?.open(cgroupPath(folder));
    return {
      state: 'exited',
      exitCode: exit.exitCode,
      signal: undefined,
      outOfMemory: (cgroup?.outOfMemoryKills() ?? 0) > 0,
      startedAtMs: start.startedAtMs,
      finishedAtMs: exit.finishedAtMs,
      imageId: this.#imageOf(folder).imageId,
    };
  }

  #lookAtAdopted(): void {
    this.#lookTimer?.cancel();
    const adopted = [...this.#running.values()].filter((running) => running.adopted);
    for (const { folder } of adopted) this.lookWhetherEnded(folder);
    if (![...this.#running.values()].some((running) => running.adopted)) return;
    this.#lookTimer = this.#options.clock.after(adoptedLookMs, () => this.#lookAtAdopted(), { unref: true });
  }

  #killLeftovers(folder: ContainerFolder, start: StartRecord): void {
    if (this.#cleared.has(folder.path)) return;
    this.#cleared.add(folder.path);
    const cgroup = this.#options.cgroups()?.open(cgroupPath(folder));
    // Where the kernel kills whole groups the shim has done it before it wrote the exit code.
    const clearedByShim = cgroup !== undefined && cgroup.killFile !== '';
    if (start.bootId === this.#bootId && !clearedByShim) this.#killAll(folder, start);
  }

  #killAll(folder: ContainerFolder, start: StartRecord): void {
    const inGroup = this.#options.cgroups()?.open(cgroupPath(folder)).members() ?? [];
    const members = inGroup.length > 0 ? inGroup : membersBySession(folder, start, this.#bootId);
    for (const pid of members) if (pid !== start.shimPid) sendSignal(pid, 'SIGKILL');
  }
}
