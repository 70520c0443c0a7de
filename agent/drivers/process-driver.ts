import { existsSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { release } from 'node:os';
import { join, resolve } from 'node:path';
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import { ExecError } from '../../lib/exec.ts';
import type { Logger } from '../../lib/log.ts';
import type {
  ContainerHandle,
  ContainerSpec,
  ContainerState,
  DriverProbe,
  ExecOptions,
  ExecProcess,
  LogOptions,
  ResourceLimits,
  RuntimeDriver,
  SandboxHandle,
  SandboxSpec,
  SandboxState,
} from './driver.ts';
import { DriverError } from './errors.ts';
import { openExecProcess } from './exec-process.ts';
import { hostAddresses } from './host-addresses.ts';
import { requireNonRoot } from './non-root.ts';
import { readEnd } from './oci/container-files.ts';
import { attachToLog } from './process/attach-to-log.ts';
import { type Cgroup, type CgroupTree, openCgroups } from './process/cgroups.ts';
import {
  type ContainerFolder,
  containerFolder,
  containerHandle,
  type ExitRecord,
  listFolders,
  makePrivate,
  podFolder,
  readExit,
  readSpec,
  readStart,
  recordUnknownExit,
  type StartRecord,
  sandboxHandle,
  writeWhole,
} from './process/container-folder.ts';
import { ContainerLog, type LogLimits, logLimitsDefault } from './process/container-log.ts';
import { askToEnd, markName, membersBySession, shimAlive } from './process/container-members.ts';
import { hasOwnView, inMountsOf, isMounted, withMounts } from './process/private-mounts.ts';
import { readLog } from './process/read-log.ts';
import { withRights } from './process/rights.ts';
import { resolveProgram, startShim, withOddNames } from './process/shim.ts';
import { currentBootId, isAlive, sendSignal } from './process-identity.ts';

/**
 * Runs containers as plain processes of the host: no image (manifests say `image: host`), the host's network and
 * files, and the pod's own folder as working directory. A shim (process/shim.ts) outlives the agent and records the
 * truth; the layout on disk is in process/container-folder.ts, logs in process/container-log.ts, limits and
 * membership in process/cgroups.ts.
 *
 * A container ends with its first process: what that left running is killed, as the end of a PID namespace would.
 * `tty` and `stdin` of the container itself are not offered; its standard input is empty.
 */
export interface ProcessDriverOptions {
  /** Holds `process/`; must be the same after a restart, and one agent's alone. */
  stateDir: string;
  clock: Clock;
  log: Logger;
  /** `none` tracks by session and environment even where control groups are writable. */
  cgroups?: 'auto' | 'none';
  logLimits?: LogLimits;
  /** What every process gets before its own variables; `baseEnvironment()` unless given. */
  environment?: Readonly<Record<string, string>>;
}

/** How often a process that is not our child is looked at; a child's end is told by the kernel. */
const adoptedLookMs = 1_000;
const stopLookMs = 10;
const killRoundsMax = 200;

interface Running {
  folder: ContainerFolder;
  start: StartRecord;
  log: ContainerLog;
  adopted: boolean;
}

export function createProcessDriver(options: ProcessDriverOptions): RuntimeDriver {
  return new ProcessDriver(options);
}

/** Harmless parts of the agent's own environment; never its secrets. */
export function baseEnvironment(): Record<string, string> {
  const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  const kept = ['HOME', 'LANG', 'TZ', 'USER'].map((name) => [name, process.env[name]] as const);
  return {
    PATH: process.env['PATH'] ?? path,
    ...Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
  };
}

class ProcessDriver implements RuntimeDriver {
  readonly name = 'process';
  readonly seesHost = true;
  readonly #root: string;
  readonly #options: ProcessDriverOptions;
  readonly #bootId = currentBootId();
  readonly #running = new Map<string, Running>();
  /** Ended containers of which nothing is left over, by folder. */
  readonly #cleared = new Set<string>();
  readonly #hints = new Set<(podUid: string) => void>();
  #cgroupTree: CgroupTree | undefined;
  #cgroupsOpened = false;
  #lookTimer: Timer | undefined;

  constructor(options: ProcessDriverOptions) {
    this.#options = options;
    this.#root = join(options.stateDir, 'process');
  }

  async probe(): Promise<DriverProbe> {
    const version = `process://${release()}`;
    if (process.platform !== 'linux')
      return { available: false, version, message: `host processes need Linux, not ${process.platform}` };
    await makePrivate(this.#root);
    const limits = this.#cgroups?.description ?? 'no writable cgroup: cpu and memory limits are not enforced';
    return { available: true, version, message: `host processes on Linux ${release()} (${limits})` };
  }

  async list(): Promise<{ sandboxes: SandboxHandle[]; containers: ContainerHandle[] }> {
    const { pods, containers } = await listFolders(this.#root);
    for (const folder of containers) this.#stateOf(folder);
    return { sandboxes: pods.map(sandboxHandle), containers: containers.map(containerHandle) };
  }

  async createSandbox(pod: SandboxSpec): Promise<SandboxHandle> {
    const folder = podFolder(this.#root, pod.podUid);
    await makePrivate(join(folder, 'work'));
    const file = join(folder, 'sandbox.json');
    if (!existsSync(file)) await writeWhole(file, JSON.stringify(pod));
    return sandboxHandle(pod.podUid);
  }

  async inspectSandbox(handle: SandboxHandle): Promise<SandboxState> {
    const made = existsSync(join(podFolder(this.#root, handle.podUid), 'sandbox.json'));
    return made ? { state: 'ready', podIps: hostAddresses() } : { state: 'missing' };
  }

  /** It holds nothing but folders. */
  async stopSandbox(): Promise<void> {}

  async removeSandbox(handle: SandboxHandle): Promise<void> {
    const { containers } = await listFolders(this.#root);
    for (const folder of containers)
      if (folder.podUid === handle.podUid) await this.remove(containerHandle(folder));
    // The folder goes last: by it the next agent knows that there is something to remove.
    this.#cgroups?.removePod(handle.podUid);
    await rm(podFolder(this.#root, handle.podUid), { recursive: true, force: true });
  }

  async create(spec: ContainerSpec, sandbox: SandboxHandle): Promise<ContainerHandle> {
    const folder = containerFolder(this.#root, { ...spec, podUid: sandbox.podUid });
    await requireNonRoot(spec.security, () => Promise.resolve(String(process.getuid?.() ?? 0)));
    await makePrivate(folder.path);
    // Nobody else gets through the folders above.
    if (spec.security.user !== undefined) await chmod(this.#workFolder(folder), 0o777);
    const known = await readSpec(folder).catch(() => undefined);
    if (!known) await writeWhole(join(folder.path, 'spec.json'), JSON.stringify(spec));
    return containerHandle(folder);
  }

  async start(handle: ContainerHandle): Promise<void> {
    const folder = containerFolder(this.#root, handle);
    const spec = await readSpec(folder);
    if (!spec) throw new DriverError('NotFound', `${handle.id} was never created or is removed`);
    if (this.#stateOf(folder).state !== 'created') return;
    const cgroup = this.#cgroups?.create(cgroupPath(folder), spec.resources);
    const { start, exit } = await this.#launch(folder, spec, cgroup);
    this.#track(folder, start, exit === undefined);
    void exit?.then(() => this.#lookWhetherEnded(folder));
  }

  async #launch(folder: ContainerFolder, spec: ContainerSpec, cgroup: Cgroup | undefined) {
    try {
      return await startShim({
        folder,
        command: this.#command(folder, spec),
        environment: this.#environment(folder, spec),
        cwd: hasOwnView(spec) ? this.#workFolder(folder) : this.#workingDir(folder, spec),
        joinFiles: cgroup?.joinFiles ?? [],
        killFile: cgroup?.killFile ?? '',
        oomScoreAdjust: String(spec.resources.oomScoreAdjust ?? ''),
        clock: this.#options.clock,
      });
    } catch (cause) {
      if (cause instanceof ExecError) throw new DriverError('RunContainerError', cause.message, { cause });
      throw cause;
    }
  }

  async stop(handle: ContainerHandle, { graceMs }: { graceMs: number }): Promise<void> {
    const folder = containerFolder(this.#root, handle);
    const running = this.#adopt(folder);
    if (!running) {
      if (!readStart(folder)) await rm(folder.path, { recursive: true, force: true });
      return;
    }
    if (graceMs > 0) {
      const spec = await readSpec(folder).catch(() => undefined);
      askToEnd(running.start, this.#bootId, spec?.stopSignal);
      await this.#waitForEnd(folder, graceMs);
    }
    for (let round = 0; this.#isRunning(folder); round++) {
      if (round === killRoundsMax)
        throw new DriverError('RuntimeUnavailable', `${handle.id} does not die: the kernel holds it`);
      this.#killAll(folder, running.start);
      await sleep(this.#options.clock, stopLookMs);
    }
    this.#ended(folder);
  }

  async #waitForEnd(folder: ContainerFolder, graceMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonic() + graceMs;
    while (this.#isRunning(folder) && clock.monotonic() < deadline)
      await sleep(clock, Math.min(stopLookMs, deadline - clock.monotonic()));
  }

  async update(handle: ContainerHandle, limits: ResourceLimits): Promise<void> {
    const folder = containerFolder(this.#root, handle);
    if (!this.#isRunning(folder)) throw new DriverError('NotFound', `${handle.id} is not running`);
    try {
      this.#cgroups?.update(cgroupPath(folder), limits);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DriverError('ResizeError', `the kernel refuses the new limits: ${why}`, { cause });
    }
  }

  async remove(handle: ContainerHandle): Promise<void> {
    const folder = containerFolder(this.#root, handle);
    await this.stop(handle, { graceMs: 0 });
    await this.#cgroups?.open(cgroupPath(folder)).remove(this.#options.clock);
    await rm(folder.path, { recursive: true, force: true });
    this.#cleared.delete(folder.path);
  }

  async inspect(handle: ContainerHandle): Promise<ContainerState> {
    const folder = containerFolder(this.#root, handle);
    const state = this.#stateOf(folder);
    if (state.state !== 'created') return state;
    return (await readSpec(folder).catch(() => undefined)) ? state : { state: 'missing' };
  }

  async terminationMessage(handle: ContainerHandle): Promise<string> {
    return readEnd(join(containerFolder(this.#root, handle).path, 'termination-log'));
  }

  watch(onHint: (podUid: string) => void): Disposable {
    this.#hints.add(onHint);
    return { [Symbol.dispose]: () => void this.#hints.delete(onHint) };
  }

  async *logs(handle: ContainerHandle, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const folder = containerFolder(this.#root, handle);
    if ((await this.inspect(handle)).state === 'missing')
      throw new DriverError('NotFound', `no logs of ${handle.id}: it does not exist`);
    // Both streams are one file, which counts as the first.
    if (options.stream === 'stderr') return;
    const running = this.#adopt(folder);
    yield* readLog(running?.log ?? this.#openLog(folder), {
      ...options,
      signal,
      isRunning: () => running !== undefined && this.#running.get(folder.path) === running,
    });
  }

  async exec(handle: ContainerHandle, { command, stdin, tty }: ExecOptions): Promise<ExecProcess> {
    const folder = containerFolder(this.#root, handle);
    const spec = await readSpec(folder);
    if (!spec || !this.#isRunning(folder)) throw new DriverError('NotFound', `${handle.id} is not running`);
    const environment = this.#environment(folder, spec);
    const cwd = this.#workingDir(folder, spec);
    const joinFiles = this.#cgroups?.open(cgroupPath(folder)).joinFiles ?? [];
    const program = withOddNames(this.#resolved(command, environment, cwd, spec), environment);
    const words = withRights(spec.security, program);
    const start = readStart(folder);
    return openExecProcess({
      command: '/bin/sh',
      args: [
        '-c',
        joinScript,
        'flotilla-exec',
        joinFiles.join(' '),
        ...(start && hasOwnView(spec) ? inMountsOf(start.pid, cwd, words) : words),
      ],
      environment,
      cwd: hasOwnView(spec) ? this.#workFolder(folder) : cwd,
      stdin,
      tty,
      clock: this.#options.clock,
    });
  }

  async attach(handle: ContainerHandle): Promise<ExecProcess> {
    const folder = containerFolder(this.#root, handle);
    if (!this.#isRunning(folder)) throw new DriverError('NotFound', `${handle.id} is not running`);
    return attachToLog({
      follow: (signal) => this.logs(handle, { ...wholeLog, follow: true, tailLines: 0 }, signal),
      exitCode: async () => {
        const state = await this.inspect(handle);
        return state.state === 'exited' ? (state.exitCode ?? 0) : 0;
      },
    });
  }

  [Symbol.dispose](): void {
    this.#lookTimer?.cancel();
    for (const { log } of this.#running.values()) log.conclude();
    this.#running.clear();
    this.#hints.clear();
  }

  get #cgroups(): CgroupTree | undefined {
    if (!this.#cgroupsOpened && this.#options.cgroups !== 'none')
      this.#cgroupTree = openCgroups(this.#options.stateDir);
    this.#cgroupsOpened = true;
    return this.#cgroupTree;
  }

  #environment(folder: ContainerFolder, spec: ContainerSpec): Record<string, string> {
    return {
      ...(this.#options.environment ?? baseEnvironment()),
      ...spec.environment,
      // A host process has no /dev of its own to be told by.
      [terminationLogName]: join(folder.path, 'termination-log'),
      ...(this.#cgroups ? {} : { [markName]: folder.path }),
    };
  }

  #command(folder: ContainerFolder, spec: ContainerSpec): string[] {
    const cwd = this.#workingDir(folder, spec);
    const command = [...spec.command, ...spec.args];
    const words = withOddNames(
      this.#resolved(command, this.#environment(folder, spec), cwd, spec),
      spec.environment,
    );
    return withMounts({ ...spec, cwd }, withRights(spec.security, words), this.#workFolder(folder));
  }

  /** What lies on a volume is found by the kernel, once the volume is there. */
  #resolved(
    command: readonly string[],
    environment: Readonly<Record<string, string>>,
    cwd: string,
    { mounts }: ContainerSpec,
  ): string[] {
    const [program = ''] = command;
    const onVolume = program.includes('/') && isMounted(resolve(cwd, program), mounts);
    return onVolume ? [...command] : resolveProgram(command, environment, cwd);
  }

  #workingDir(folder: ContainerFolder, spec: ContainerSpec): string {
    return spec.workingDir ?? this.#workFolder(folder);
  }

  #workFolder({ podUid }: ContainerFolder): string {
    return join(podFolder(this.#root, podUid), 'work');
  }

  #isRunning(folder: ContainerFolder): boolean {
    return this.#stateOf(folder).state === 'running';
  }

  /**
   * From the disk and /proc alone, so that it is the same before and after a restart. `created` may also mean
   * missing.
   */
  #stateOf(folder: ContainerFolder): ContainerState {
    const start = readStart(folder);
    if (!start) return { state: 'created' };
    const alive = isAlive(start, this.#bootId) || shimAlive(start, this.#bootId);
    const exit =
      readExit(folder) ?? (alive ? undefined : recordUnknownExit(folder, this.#options.clock.now()));
    if (exit) return this.#exitedState(folder, start, exit);
    if (!this.#running.has(folder.path)) this.#track(folder, start, true);
    return { state: 'running', pid: start.pid, startedAtMs: start.startedAtMs, imageId: '' };
  }

  #exitedState(folder: ContainerFolder, start: StartRecord, exit: ExitRecord): ContainerState {
    this.#killLeftovers(folder, start);
    return {
      state: 'exited',
      exitCode: exit.exitCode,
      signal: undefined,
      outOfMemory: (this.#cgroups?.open(cgroupPath(folder)).outOfMemoryKills() ?? 0) > 0,
      startedAtMs: start.startedAtMs,
      finishedAtMs: exit.finishedAtMs,
      imageId: '',
    };
  }

  #adopt(folder: ContainerFolder): Running | undefined {
    this.#stateOf(folder);
    return this.#running.get(folder.path);
  }

  #track(folder: ContainerFolder, start: StartRecord, adopted: boolean): void {
    const known = this.#running.get(folder.path);
    if (known) {
      known.adopted = adopted;
      return;
    }
    const log = this.#openLog(folder);
    log.observe();
    this.#running.set(folder.path, { folder, start, log, adopted });
    if (adopted) this.#lookAtAdopted();
  }

  #openLog(folder: ContainerFolder): ContainerLog {
    const { clock, logLimits = logLimitsDefault } = this.#options;
    return new ContainerLog(folder.path, { clock, limits: logLimits });
  }

  #lookAtAdopted(): void {
    this.#lookTimer?.cancel();
    const adopted = [...this.#running.values()].filter((running) => running.adopted);
    for (const { folder } of adopted) this.#lookWhetherEnded(folder);
    if (![...this.#running.values()].some((running) => running.adopted)) return;
    this.#lookTimer = this.#options.clock.after(adoptedLookMs, () => this.#lookAtAdopted(), { unref: true });
  }

  /** Not asked for by anybody: a disk that fails is told by whoever asks next. */
  #lookWhetherEnded(folder: ContainerFolder): void {
    try {
      this.#ended(folder);
    } catch (error) {
      this.#options.log.warn('a container cannot be looked at', { folder: folder.path, error });
    }
  }

  #ended(folder: ContainerFolder): void {
    const running = this.#running.get(folder.path);
    if (!running || this.#isRunning(folder)) return;
    this.#running.delete(folder.path);
    running.log.conclude();
    for (const hint of this.#hints) hint(folder.podUid);
  }

  #killLeftovers(folder: ContainerFolder, start: StartRecord): void {
    if (this.#cleared.has(folder.path)) return;
    this.#cleared.add(folder.path);
    const cgroup = this.#cgroups?.open(cgroupPath(folder));
    // Where the kernel kills whole groups the shim has done it before it wrote the exit code.
    const clearedByShim = cgroup !== undefined && cgroup.killFile !== '';
    if (start.bootId === this.#bootId && !clearedByShim) this.#killAll(folder, start);
  }

  #killAll(folder: ContainerFolder, start: StartRecord): void {
    const inGroup = this.#cgroups?.open(cgroupPath(folder)).members() ?? [];
    const members = inGroup.length > 0 ? inGroup : membersBySession(folder, start, this.#bootId);
    for (const pid of members) if (pid !== start.shimPid) sendSignal(pid, 'SIGKILL');
  }
}

const wholeLog: LogOptions = {
  follow: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  timestamps: false,
};

const terminationLogName = 'FLOTILLA_TERMINATION_LOG';

const joinScript = `
__fl_join=$1
shift
for __fl_file in $__fl_join; do echo 0 > "$__fl_file"; done
exec "$@"
`;

function cgroupPath({ podUid, container, attempt }: ContainerFolder): string {
  return `${podUid}/${container}-${attempt}`;
}
