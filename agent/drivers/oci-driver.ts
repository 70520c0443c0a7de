import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { OpenLayers } from '../layers/layers-when-needed.ts';
import type {
  AttachOptions,
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
import { hostAddresses } from './host-addresses.ts';
import { requireNonRoot } from './non-root.ts';
import {
  containerName,
  labels,
  type Ownership,
  parseName,
  removeArguments,
  runContainerArguments,
  runSandboxArguments,
  sandboxName,
  stopArguments,
  updateArguments,
} from './oci/arguments.ts';
import { askEngineLog } from './oci/ask-engine-log.ts';
import { attachTo, fromNowOn } from './oci/attach.ts';
import {
  makeContainerFiles,
  readTerminationMessage,
  removeContainerFiles,
  removePodFiles,
} from './oci/container-files.ts';
import {
  callEngine,
  describeEngine,
  type Engine,
  type EngineAnswer,
  type EngineCall,
  type EngineCommand,
  engineCommands,
  engineTimeoutMs,
  findEngine,
} from './oci/engine.ts';
import { EngineGroups, unenforcedBy } from './oci/engine-groups.ts';
import { pullByEngine } from './oci/engine-pull.ts';
import { execCommand } from './oci/exec-command.ts';
import { containerHandle, sandboxHandle } from './oci/handles.ts';
import { isImageReference, qualifiedReference } from './oci/image-reference.ts';
import { createImageStore } from './oci/image-store.ts';
import { parseContainerState, parseImage, parseLogPath, parseSandboxState } from './oci/inspect-output.ts';
import { loadPauseImage, pauseImage } from './oci/pause-image.ts';
import { removePullFiles } from './oci/pull-files.ts';
import { takesMirror } from './oci/pull-way.ts';
import { createPidWatch, type PidWatch } from './pid-watch.ts';
import { readProcessStat } from './process-identity.ts';
import { invalidName, pullImage } from './pull-image.ts';

/**
 * Drives podman, docker or nerdctl by the command line they share; the first that works. A call costs 25 to 150 ms,
 * so there is one for each step: `create` only remembers, `start` is one `run --detach`, and a container that was
 * created but not started does not survive the agent (it is `missing` then, and created again). Identity is the
 * container's name (oci/arguments.ts).
 *
 * What an engine's failure means is decided by asking for facts (does the image exist? the container?), never by
 * its words. Exits are noticed by watching the first process in /proc, with no engine process kept running.
 */
export interface OciDriverOptions extends Ownership {
  /** Holds `oci/`, and `seccomp/` with the profiles that pods may name; one agent's alone. */
  stateDir: string;
  clock: Clock;
  log: Logger;
  /** Layers from this device and from devices nearby; absent: the engine pulls by itself. */
  layers?: OpenLayers;
  /** Which engines to try, in this order. */
  engines?: readonly EngineCommand[];
}

const exitLookMs = 500;
/** For engines whose processes cannot be seen from here. */
const unseenLookMs = 10_000;
const rememberedImagesMax = 256;

export function createOciDriver(options: OciDriverOptions): RuntimeDriver {
  return new OciDriver(options);
}

class OciDriver implements RuntimeDriver {
  readonly name = 'oci';
  usesLayers = false;
  readonly images: ImageStore;
  readonly #options: OciDriverOptions;
  readonly #watch: PidWatch;
  readonly #hints = new Set<(podUid: string) => void>();
  /** Created and not yet started, by name. */
  readonly #created = new Map<string, { spec: ContainerSpec; sandbox: string }>();
  /** What `pull` found, by the image's name as the pod writes it. */
  readonly #imageIds = new Map<string, string>();
  readonly #groups: EngineGroups;
  #found: Engine | undefined;
  /** How many commands were run in containers. */
  #execs = 0;

  constructor(options: OciDriverOptions) {
    this.#options = options;
    this.#groups = new EngineGroups(options);
    this.images = createImageStore({
      call: (args, call) => this.#call(args, call),
      root: async () => (await this.#findEngine()).imageRoot || undefined,
      onRemoved: () => this.#imageIds.clear(),
    });
    this.#watch = createPidWatch({
      clock: options.clock,
      intervalMs: exitLookMs,
      unseenIntervalMs: unseenLookMs,
      onGone: (name) => this.#hint(name),
    });
  }

  async probe(): Promise<DriverProbe> {
    const reasons: string[] = [];
    for (const command of this.#options.engines ?? engineCommands) {
      const finding = await findEngine(command);
      if (finding.engine) {
        this.#found = finding.engine;
        this.usesLayers = this.#options.layers !== undefined && takesMirror(finding.engine);
        await removePullFiles(this.#pullFolder);
        const version = `${command}://${finding.engine.version}`;
        return { available: true, version, message: describeEngine(finding.engine) };
      }
      reasons.push(`${command}: ${finding.reason}`);
    }
    return { available: false, version: '', message: `no container engine (${reasons.join('; ')})` };
  }

  async list(): Promise<{ sandboxes: SandboxHandle[]; containers: ContainerHandle[] }> {
    const names = await this.#namesWhere(`label=${labels.owner}=${this.#options.owner}`);
    const parsed = names.map(parseName);
    return {
      sandboxes: parsed.flatMap((name) => (name?.kind === 'sandbox' ? [sandboxHandle(name)] : [])),
      containers: parsed.flatMap((name) => (name?.kind === 'container' ? [containerHandle(name)] : [])),
    };
  }

  async createSandbox(pod: SandboxSpec): Promise<SandboxHandle> {
    const engine = await this.#findEngine();
    this.#groups.make(engine, pod.podUid, pod.limits);
    let answer = await this.#runSandbox(engine, pod);
    if (answer.exitCode !== 0 && this.#groups.doubts(pod.podUid)) {
      await this.#removeAll([sandboxName(pod)]);
      await this.#groups.remove(pod.podUid);
      answer = await this.#runSandbox(engine, pod);
    }
    if (answer.exitCode === 0) {
      if (pod.limits) this.#groups.learn(pod.podUid);
      return sandboxHandle(pod);
    }
    await this.#removeAll([sandboxName(pod)]);
    throw new DriverError('CreatePodSandboxError', answer.message);
  }

  async #runSandbox(engine: Engine, pod: SandboxSpec): Promise<EngineAnswer> {
    const name = sandboxName(pod);
    const place = this.#groups.placeOf(engine, pod.podUid);
    const call = { joinFiles: place?.joinFiles ?? [] };
    const args = runSandboxArguments(engine, pod, { ...this.#options, image: pauseImage, place });
    const answer = await this.#call(args, call);
    if (answer.exitCode === 0) return answer;
    if (await this.#exists(name)) return this.#call(['start', name], call);
    if (await this.#image(pauseImage)) return answer;
    await loadPauseImage((words, call) => this.#call(words, call));
    return this.#call(args, call);
  }

  async inspectSandbox(handle: SandboxHandle): Promise<SandboxState> {
    const text = await this.#inspectText(handle.id);
    return text === undefined ? { state: 'missing' } : parseSandboxState(text, hostAddresses);
  }

  async stopSandbox(handle: SandboxHandle): Promise<void> {
    const answer = await this.#call(stopArguments(handle.id, 0));
    if (answer.exitCode !== 0 && (await this.inspectSandbox(handle)).state === 'ready')
      throw new DriverError('RuntimeUnavailable', `${handle.id} cannot be stopped: ${answer.message}`);
  }

  async removeSandbox(handle: SandboxHandle): Promise<void> {
    const isPause = (name: string) => parseName(name)?.kind === 'sandbox';
    const left = () => this.#namesWhere(`label=${labels.podUid}=${handle.podUid}`);
    const removeContainers = async () => this.#removeAll((await left()).filter((name) => !isPause(name)));
    // One that looks into another's processes has to go before it; which does is not known here.
    await removeContainers().catch(removeContainers);
    // The pause container by itself and last: an engine refuses to remove what others depend on.
    await this.#removeAll((await left()).filter(isPause));
    await this.#groups.remove(handle.podUid);
    await removePodFiles(this.#filesRoot, handle.podUid);
  }

  async updateSandbox({ podUid }: SandboxHandle, limits: PodLimits, how: 'raise' | 'exact'): Promise<void> {
    this.#groups.update(podUid, limits, how);
  }

  get unenforced(): UnenforcedLimits | undefined {
    return this.#found && unenforcedBy(this.#found);
  }

  async create(spec: ContainerSpec, sandbox: SandboxHandle): Promise<ContainerHandle> {
    const name = containerName({ ...spec, podUid: sandbox.podUid });
    if (spec.command[0] === '')
      throw new DriverError('CreateContainerConfigError', 'the first word of command is empty');
    if (!isImageReference(spec.image)) throw invalidName(spec.image);
    await requireNonRoot(spec.security, () => this.#imageUser(spec.image));
    this.#created.set(name, { spec, sandbox: sandbox.id });
    return containerHandle({ ...spec, podUid: sandbox.podUid });
  }

  async start(handle: ContainerHandle): Promise<void> {
    const name = containerName(handle);
    const created = this.#created.get(name);
    if (!created) return this.#startExisting(handle, name);
    const { spec, sandbox } = created;
    const engine = await this.#findEngine();
    const image = this.#imageIds.get(spec.image) ?? spec.image;
    const profileFolder = join(this.#options.stateDir, 'seccomp');
    const place = this.#groups.placeOf(engine, handle.podUid);
    const options = { ...this.#options, image, sandbox, profileFolder, place };
    const files = await makeContainerFiles(this.#filesRoot, spec);
    const imageMounts = (spec.imageMounts ?? []).map((mount) => ({
      ...mount,
      image: this.#imageIds.get(mount.image) ?? mount.image,
    }));
    const seen = { ...spec, mounts: [...spec.mounts, ...files], imageMounts };
    const { args, environment } = runContainerArguments(engine, seen, options);
    const answer = await this.#call(args, { environment, joinFiles: place?.joinFiles ?? [] });
    if (answer.exitCode !== 0) await this.#explainFailedRun(name, spec, answer);
    this.#created.delete(name);
    // Its pid is learned by the first inspect; if nobody asks, the watch does.
    this.#watch.add(name, undefined);
  }

  async #startExisting(handle: ContainerHandle, name: string): Promise<void> {
    const { state } = await this.inspect(handle);
    if (state === 'missing')
      throw new DriverError('NotFound', `${handle.id} was never created or is removed`);
    if (state !== 'created') return;
    const answer = await this.#call(['start', name]);
    if (answer.exitCode !== 0) throw new DriverError('RunContainerError', answer.message);
  }

  /** Returns when the container exists after all: an agent died after it had started it. */
  async #explainFailedRun(name: string, spec: ContainerSpec, answer: EngineAnswer): Promise<void> {
    const text = await this.#inspectText(name);
    const { state } = text === undefined ? { state: 'missing' } : parseContainerState(text);
    if (state === 'running' || state === 'exited') return;
    if (state === 'created') await this.#removeAll([name]);
    if (answer.exitCode === 126 || answer.exitCode === 127)
      throw new DriverError('RunContainerError', answer.message);
    if (!(await this.#image(spec.image)))
      throw new DriverError(
        'ErrImageNeverPull',
        `image ${spec.image} is not on this device: ${answer.message}`,
      );
    throw new DriverError(state === 'created' ? 'RunContainerError' : 'CreateContainerError', answer.message);
  }

  async stop(handle: ContainerHandle, { graceMs }: { graceMs: number }): Promise<void> {
    const name = containerName(handle);
    this.#created.delete(name);
    const timeoutMs = graceMs + engineTimeoutMs.change;
    const answer = await this.#call(stopArguments(name, graceMs), { timeoutMs });
    if (
      answer.exitCode !== 0 &&
      (await this.#exists(name)) &&
      (await this.inspect(handle)).state === 'running'
    )
      throw new DriverError('RuntimeUnavailable', `${handle.id} cannot be stopped: ${answer.message}`);
  }

  async update(handle: ContainerHandle, limits: ResourceLimits): Promise<void> {
    const args = updateArguments(await this.#findEngine(), containerName(handle), limits);
    const answer = args === undefined ? undefined : await this.#call(args);
    if (answer && answer.exitCode !== 0) throw new DriverError('ResizeError', answer.message);
  }

  async remove(handle: ContainerHandle): Promise<void> {
    this.#created.delete(containerName(handle));
    await this.#removeAll([containerName(handle)]);
    await removeContainerFiles(this.#filesRoot, handle);
  }

  async terminationMessage(handle: ContainerHandle): Promise<string> {
    return readTerminationMessage(this.#filesRoot, handle);
  }

  get #filesRoot(): string {
    return join(this.#options.stateDir, 'oci');
  }

  get #pullFolder(): { folder: string; owner: string } {
    return { folder: this.#filesRoot, owner: this.#options.owner };
  }

  async inspect(handle: ContainerHandle): Promise<ContainerState> {
    const name = containerName(handle);
    if (this.#created.has(name)) return { state: 'created' };
    const text = await this.#inspectText(name);
    const state: ContainerState = text === undefined ? { state: 'missing' } : parseContainerState(text);
    if (state.state === 'running') this.#watch.add(name, state.pid);
    else this.#watch.delete(name);
    return state;
  }

  watch(onHint: (podUid: string) => void): Disposable {
    this.#hints.add(onHint);
    return { [Symbol.dispose]: () => void this.#hints.delete(onHint) };
  }

  async pull(image: string, options: PullOptions): Promise<PulledImage> {
    return pullImage(image, options, {
      find: (name, signal) => this.#image(name, signal),
      fetch: (name, how) => this.#fetch(name, how),
    });
  }

  async #fetch(image: string, options: PullOptions): Promise<PulledImage> {
    const engine = await this.#findEngine();
    await pullByEngine(image, options, { ...this.#options, ...this.#pullFolder, engine });
    const found = await this.#image(image, options.signal);
    if (found) return found;
    throw new DriverError('ErrImagePull', `${image} was pulled and is not there`);
  }

  async *logs(handle: ContainerHandle, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const state = await this.inspect(handle);
    if (state.state === 'missing')
      throw new DriverError('NotFound', `no logs of ${handle.id}: it does not exist`);
    if (state.state === 'created') return;
    const { command } = await this.#findEngine();
    if (command === 'podman') return yield* this.#logFile(handle, state, { ...options, signal });
    yield* askEngineLog({ ...options, command, name: containerName(handle), signal });
  }

  async *#logFile(
    handle: ContainerHandle,
    state: ContainerState,
    options: LogOptions & { signal: AbortSignal },
  ): AsyncGenerator<Uint8Array> {
    const path = parseLogPath((await this.#inspectText(containerName(handle))) ?? '[]');
    if (path === undefined) throw new DriverError('RuntimeUnavailable', `no log file of ${handle.id}`);
    const { readEngineLog } = await import('./oci/read-engine-log.ts');
    const pid = state.state === 'running' ? state.pid : 0;
    const startTicks = readProcessStat(pid)?.startTicks;
    const isRunning = async () => {
      const stat = readProcessStat(pid);
      if (stat && !stat.zombie && stat.startTicks === startTicks) return true;
      return (await this.inspect(handle)).state === 'running';
    };
    yield* readEngineLog({ ...options, path, isRunning, clock: this.#options.clock });
  }

  async exec(handle: ContainerHandle, options: ExecOptions): Promise<ExecProcess> {
    const { state } = await this.inspect(handle);
    if (state !== 'running') throw new DriverError('NotFound', `${handle.id} is not running`);
    const engine = await this.#findEngine();
    const { clock } = this.#options;
    this.#execs += 1;
    const name = containerName(handle);
    return execCommand(engine, { ...options, name, mark: `${name}/${clock.now()}/${this.#execs}`, clock });
  }

  async attach(handle: ContainerHandle, options: AttachOptions): Promise<ExecProcess> {
    const seen = await this.inspect(handle);
    if (seen.state !== 'running') throw new DriverError('NotFound', `${handle.id} is not running`);
    return attachTo(await this.#findEngine(), {
      ...options,
      name: containerName(handle),
      pid: seen.pid,
      clock: this.#options.clock,
      follow: (stream, signal) => this.logs(handle, { ...fromNowOn, stream }, signal),
      exitCode: async () => {
        const state = await this.inspect(handle);
        return state.state === 'exited' ? (state.exitCode ?? 0) : 0;
      },
    });
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#hints.clear();
  }

  #hint(name: string): void {
    const parsed = parseName(name);
    if (parsed) for (const hint of this.#hints) hint(parsed.podUid);
  }

  async #findEngine(): Promise<Engine> {
    if (this.#found) return this.#found;
    const { message } = await this.probe();
    if (!this.#found) throw new DriverError('RuntimeUnavailable', message);
    return this.#found;
  }

  async #call(args: readonly string[], call: Partial<EngineCall> = {}): Promise<EngineAnswer> {
    const { command } = await this.#findEngine();
    return callEngine(command, args, { timeoutMs: engineTimeoutMs.change, ...call });
  }

  /** Our names among the containers that a filter of `ps` lets through. */
  async #namesWhere(filter: string): Promise<string[]> {
    const args = ['ps', '--all', '--format', '{{.Names}}', '--filter', filter];
    const answer = await this.#call(args, { timeoutMs: engineTimeoutMs.query });
    if (answer.exitCode !== 0) throw new DriverError('RuntimeUnavailable', answer.message);
    const names = answer.stdout.split('\n').map((line) => line.trim());
    return names.filter((name) => parseName(name) !== undefined);
  }

  async #exists(name: string): Promise<boolean> {
    return (await this.#namesWhere(`name=^${name.replaceAll('.', '\\.')}$`)).includes(name);
  }

  /** Undefined when there is no such container. */
  async #inspectText(name: string): Promise<string | undefined> {
    const call = { timeoutMs: engineTimeoutMs.query };
    const answer = await this.#call(['container', 'inspect', name], call);
    if (answer.exitCode === 0) return answer.stdout;
    if (await this.#exists(name)) throw new DriverError('RuntimeUnavailable', answer.message);
    return undefined;
  }

  /** '' when the image names none; on trouble too: then it counts as root's. */
  async #imageUser(image: string): Promise<string> {
    const names = ['image', 'inspect', '--format', '{{.Config.User}}', this.#imageIds.get(image) ?? image];
    const answer = await this.#call(names, { timeoutMs: engineTimeoutMs.query });
    return answer.exitCode === 0 ? answer.stdout.trim() : '';
  }

  /** Undefined when it is not on this device. Under the name as given an engine also finds what was built here. */
  async #image(image: string, signal?: AbortSignal): Promise<PulledImage | undefined> {
    const names = [...new Set([image, qualifiedReference(image)])];
    const call = { timeoutMs: engineTimeoutMs.query, ...(signal ? { signal } : {}) };
    const { stdout } = await this.#call(['image', 'inspect', ...names], call);
    const found = parseImage(stdout, qualifiedReference(image));
    this.#imageIds.delete(image);
    if (!found) {
      // An engine at fault says no as one does that has no such image; this throws then.
      await this.#exists(image);
      return undefined;
    }
    for (const oldest of this.#imageIds.keys()) {
      if (this.#imageIds.size < rememberedImagesMax) break;
      this.#imageIds.delete(oldest);
    }
    this.#imageIds.set(image, found.imageId);
    return found;
  }

  async #removeAll(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    for (const name of names) this.#watch.delete(name);
    const answer = await this.#call(removeArguments(await this.#findEngine(), names));
    if (answer.exitCode === 0) return;
    for (const name of names)
      if (await this.#exists(name))
        throw new DriverError('RuntimeUnavailable', `${name} cannot be removed: ${answer.message}`);
  }
}
