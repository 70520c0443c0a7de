import { existsSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import { ExecError } from '../../lib/exec.ts';
import type { Logger } from '../../lib/log.ts';
import { once } from '../../lib/once.ts';
import type { OpenLayers } from '../layers/layers-when-needed.ts';
import type {
  ContainerHandle,
  ContainerSpec,
  ContainerState,
  DriverProbe,
  ExecOptions,
  ExecProcess,
  ImageStore,
  LogOptions,
  PodLimits,
  PulledImage,
  PullOptions,
  ResourceLimits,
  RuntimeDriver,
  SandboxHandle,
  SandboxSpec,
  SandboxState,
  UnenforcedLimits,
} from './driver.ts';
import { DriverError } from './errors.ts';
import { openExecProcess } from './exec-process.ts';
import { hostAddresses } from './host-addresses.ts';
import { isHostImage } from './host-image.ts';
import { requireNonRoot } from './non-root.ts';
import { readEnd, readTerminationMessage, removeContainerFiles } from './oci/container-files.ts';
import { isImageReference } from './oci/image-reference.ts';
import { attachToLog } from './process/attach-to-log.ts';
import { type Cgroup, type CgroupTree, openCgroups } from './process/cgroups.ts';
import {
  type ContainerFolder,
  cgroupPath,
  containerFolder,
  containerHandle,
  imageOf,
  listFolders,
  makePrivate,
  podFolder,
  readSpec,
  readStart,
  sandboxHandle,
  writeWhole,
} from './process/container-folder.ts';
import { type LogLimits, logLimitsDefault } from './process/container-log.ts';
import {
  baseEnvironment,
  execWords,
  type HostProcess,
  hasTmp,
  mainWords,
  makeTmp,
  terminationLog,
} from './process/host-process.ts';
import { type LocalImages, localImages } from './process/local-images.ts';
import { mayMount } from './process/private-mounts.ts';
import { readLog } from './process/read-log.ts';
import { RunningContainers } from './process/running-containers.ts';
import { findRuntimeProgram, type RuntimeProgram } from './process/runtime-program.ts';
import { startShim } from './process/shim.ts';
import { invalidName } from './pull-image.ts';

/**
 * Runs containers as plain processes of the host: no image (manifests say `image: host`), the host's network and
 * files but for a /tmp of their own, and the pod's own folder as working directory. A shim (process/shim.ts) outlives the agent and records the
 * truth; the layout on disk is in process/container-folder.ts, what runs in process/running-containers.ts, logs in
 * process/container-log.ts, limits and membership in process/cgroups.ts.
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
  /** Where images come from beside archives. */
  layers?: OpenLayers;
  /** The only program that is to run images; absent: the best that is there. */
  imageProgram?: RuntimeProgram['kind'];
  /** What every process gets before its own variables; `baseEnvironment()` unless given. */
  environment?: Readonly<Record<string, string>>;
}

const killRoundsMax = 200;

export function createProcessDriver(options: ProcessDriverOptions): RuntimeDriver {
  return new ProcessDriver(options);
}

class ProcessDriver implements RuntimeDriver {
  readonly name = 'process';
  readonly images: ImageStore;
  usesLayers = false;
  readonly #root: string;
  readonly #options: ProcessDriverOptions;
  readonly #containers: RunningContainers;
  readonly #local: LocalImages;
  readonly #mayMount = once(mayMount);
  readonly #sweep = once(() => this.#local.sweep());
  /** Loaded for the first container with an image. */
  readonly #imageContainers = once(async () => {
    const { ImageContainers } = await import('./process/image-containers.ts');
    const { clock, imageProgram } = this.#options;
    return new ImageContainers({ clock, root: this.#root, images: this.#local.open, program: imageProgram });
  });
  readonly #hints = new Set<(podUid: string) => void>();
  #cgroupTree: CgroupTree | undefined;
  #cgroupsOpened = false;

  constructor(options: ProcessDriverOptions) {
    this.#options = options;
    this.#root = join(options.stateDir, 'process');
    this.#local = localImages({ ...options, root: this.#root });
    this.images = this.#local.store;
    this.#containers = new RunningContainers({
      logLimits: logLimitsDefault,
      ...options,
      cgroups: () => this.#cgroups,
      onEnded: (podUid) => {
        for (const hint of this.#hints) hint(podUid);
      },
    });
  }

  /** With an image it has files of its own. */
  seesHost(image: string): boolean {
    return isHostImage(image);
  }

  async probe(): Promise<DriverProbe> {
    const version = `process://${release()}`;
    if (process.platform !== 'linux')
      return { available: false, version, message: `host processes need Linux, not ${process.platform}` };
    await makePrivate(this.#root);
    await this.#sweep();
    this.usesLayers =
      this.#options.layers !== undefined &&
      findRuntimeProgram({ cgroups: this.#cgroups !== undefined }) !== undefined;
    const limits = this.#cgroups?.description ?? noGroups;
    return { available: true, version, message: `host processes on Linux ${release()} (${limits})` };
  }

  async list(): Promise<{ sandboxes: SandboxHandle[]; containers: ContainerHandle[] }> {
    const { pods, containers } = await listFolders(this.#root);
    for (const folder of containers) this.#containers.stateOf(folder);
    return { sandboxes: pods.map(sandboxHandle), containers: containers.map(containerHandle) };
  }

  async createSandbox(pod: SandboxSpec): Promise<SandboxHandle> {
    const folder = podFolder(this.#root, pod.podUid);
    await makePrivate(join(folder, 'work'));
    const file = join(folder, 'sandbox.json');
    if (!existsSync(file)) await writeWhole(file, JSON.stringify(pod));
    if (pod.limits) this.#cgroups?.pods.make(pod.podUid, pod.limits);
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
    await this.#cgroups?.pods.remove(handle.podUid, this.#options.clock);
    await rm(podFolder(this.#root, handle.podUid), { recursive: true, force: true });
  }

  /** After a reboot there is none yet. */
  async updateSandbox({ podUid }: SandboxHandle, limits: PodLimits, how: 'raise' | 'exact'): Promise<void> {
    const pods = this.#cgroups?.pods;
    if (!pods) return;
    if (pods.parentOf(podUid) === undefined) pods.make(podUid, limits);
    else pods.update(podUid, limits, how);
  }

  get unenforced(): UnenforcedLimits | undefined {
    this.#openCgroups();
    return unenforcedBy(this.#cgroups);
  }

  async create(spec: ContainerSpec, sandbox: SandboxHandle): Promise<ContainerHandle> {
    const folder = containerFolder(this.#root, { ...spec, podUid: sandbox.podUid });
    if (!isHostImage(spec.image) && !isImageReference(spec.image)) throw invalidName(spec.image);
    await requireNonRoot(spec.security, () => this.#userOf(spec.image));
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
    if (this.#containers.stateOf(folder).state !== 'created') return;
    const cgroup = this.#cgroups?.create(cgroupPath(folder), spec.resources);
    const { start, exit } = isHostImage(spec.image)
      ? await this.#launch(folder, spec, cgroup)
      : await this.#launchImage(folder, spec, cgroup);
    this.#containers.track(folder, start, exit === undefined);
    void exit?.then(() => this.#containers.lookWhetherEnded(folder));
  }

  async #launch(folder: ContainerFolder, spec: ContainerSpec, cgroup: Cgroup | undefined) {
    if (await this.#mayMount()) await makeTmp(folder, spec);
    try {
      return await startShim({
        folder,
        ...mainWords(this.#hostProcess(folder, spec)),
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

  async #launchImage(folder: ContainerFolder, spec: ContainerSpec, cgroup: Cgroup | undefined) {
    const containers = await this.#imageContainers();
    const words = await containers.prepare(folder, spec, cgroup);
    const shim = await startShim({ folder, ...words, tells: false, clock: this.#options.clock });
    await containers.started(folder);
    return shim;
  }

  async stop(handle: ContainerHandle, { graceMs }: { graceMs: number }): Promise<void> {
    const folder = containerFolder(this.#root, handle);
    const running = this.#containers.find(folder);
    if (!running) {
      if (!readStart(folder)) await rm(folder.path, { recursive: true, force: true });
      return;
    }
    if (graceMs > 0) {
      const spec = await readSpec(folder).catch(() => undefined);
      await this.#containers.ask(running, graceMs, spec?.stopSignal);
    }
    if (!(await this.#containers.kill(running, killRoundsMax)))
      throw new DriverError('RuntimeUnavailable', `${handle.id} does not die: the kernel holds it`);
  }

  async update(handle: ContainerHandle, limits: ResourceLimits): Promise<void> {
    const folder = containerFolder(this.#root, handle);
    if (!this.#containers.isRunning(folder)) throw new DriverError('NotFound', `${handle.id} is not running`);
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
    await removeContainerFiles(this.#root, folder);
    await rm(folder.path, { recursive: true, force: true });
    this.#containers.forget(folder);
  }

  async inspect(handle: ContainerHandle): Promise<ContainerState> {
    const folder = containerFolder(this.#root, handle);
    const state = this.#containers.stateOf(folder);
    if (state.state !== 'created') return state;
    return (await readSpec(folder).catch(() => undefined)) ? state : { state: 'missing' };
  }

  async terminationMessage(handle: ContainerHandle): Promise<string> {
    const ofProcess = await readEnd(terminationLog(containerFolder(this.#root, handle)));
    return ofProcess === '' ? readTerminationMessage(this.#root, handle) : ofProcess;
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
    const running = this.#containers.find(folder);
    yield* readLog(running?.log ?? this.#containers.openLog(folder), {
      ...options,
      signal,
      isRunning: () => this.#containers.holds(running),
    });
  }

  async pull(image: string, options: PullOptions): Promise<PulledImage> {
    if (isHostImage(image)) return { imageId: '', reference: '', sizeBytes: 0 };
    // Nothing is fetched that could not be run.
    if (isImageReference(image))
      (await this.#imageContainers()).requireProgram(image, this.#cgroups !== undefined);
    return this.#local.pull(image, options);
  }

  async exec(handle: ContainerHandle, options: ExecOptions): Promise<ExecProcess> {
    const { command, stdin, tty } = options;
    const folder = containerFolder(this.#root, handle);
    const spec = await readSpec(folder);
    if (!spec || !this.#containers.isRunning(folder))
      throw new DriverError('NotFound', `${handle.id} is not running`);
    const cgroup = this.#cgroups?.open(cgroupPath(folder));
    if (imageOf(folder).imageId !== '')
      return (await this.#imageContainers()).exec(folder, options, { spec, cgroup, joinScript });
    const joinFiles = cgroup?.joinFiles ?? [];
    const words = execWords(this.#hostProcess(folder, spec), { command, start: readStart(folder) });
    return openExecProcess({
      command: '/bin/sh',
      args: ['-c', joinScript, 'flotilla-exec', joinFiles.join(' '), ...words.command],
      environment: words.environment,
      cwd: words.cwd,
      stdin,
      tty,
      clock: this.#options.clock,
    });
  }

  async attach(handle: ContainerHandle): Promise<ExecProcess> {
    const folder = containerFolder(this.#root, handle);
    if (!this.#containers.isRunning(folder)) throw new DriverError('NotFound', `${handle.id} is not running`);
    return attachToLog({
      follow: (signal) => this.logs(handle, { ...wholeLog, follow: true, tailLines: 0 }, signal),
      exitCode: async () => {
        const state = await this.inspect(handle);
        return state.state === 'exited' ? (state.exitCode ?? 0) : 0;
      },
    });
  }

  [Symbol.dispose](): void {
    this.#containers[Symbol.dispose]();
    this.#hints.clear();
  }

  get #cgroups(): CgroupTree | undefined {
    if (!this.#cgroupsOpened) this.#openCgroups();
    return this.#cgroupTree;
  }

  /** '' when the image names none, or is not here: then it counts as root's. */
  async #userOf(image: string): Promise<string> {
    if (isHostImage(image)) return String(process.getuid?.() ?? 0);
    return (await this.#local.open()).find(image)?.config.user ?? '';
  }

  /** What is mounted or made writable later counts from then on. */
  #openCgroups(): void {
    this.#cgroupsOpened = true;
    if (this.#options.cgroups !== 'none' && unenforcedBy(this.#cgroupTree))
      this.#cgroupTree = openCgroups(this.#options.stateDir);
  }

  #hostProcess(folder: ContainerFolder, spec: ContainerSpec): HostProcess {
    return {
      folder,
      spec,
      workFolder: this.#workFolder(folder),
      base: this.#options.environment ?? baseEnvironment(),
      grouped: this.#cgroups !== undefined,
      ownTmp: hasTmp(folder),
    };
  }

  #workFolder({ podUid }: ContainerFolder): string {
    return join(podFolder(this.#root, podUid), 'work');
  }
}

const noGroups = 'no control group can be made here: limits are not enforced';

function unenforcedBy(tree: CgroupTree | undefined): UnenforcedLimits | undefined {
  const { limitsCpu = false, limitsMemory = false, limitsPids = false } = tree ?? {};
  const enforced = { cpu: limitsCpu, memory: limitsMemory, pids: limitsPids };
  const resources = (['cpu', 'memory', 'pids'] as const).filter((name) => !enforced[name]);
  if (resources.length === 0) return undefined;
  return { resources, reason: tree ? tree.description : 'no control group can be made' };
}

const wholeLog: LogOptions = {
  follow: false,
  tailLines: undefined,
  limitBytes: undefined,
  sinceMs: undefined,
  timestamps: false,
};

const joinScript = `
__fl_join=$1
shift
for __fl_file in $__fl_join; do echo 0 > "$__fl_file"; done
exec "$@"
`;
