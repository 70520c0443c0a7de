import type { Clock, Timer } from '../../lib/clock.ts';
import type {
  ContainerHandle,
  ContainerSpec,
  ContainerState,
  DriverProbe,
  LogOptions,
  PulledImage,
  PullOptions,
  ResourceLimits,
  RuntimeDriver,
  SandboxHandle,
  SandboxSpec,
  SandboxState,
} from './driver.ts';
import { DriverError } from './errors.ts';
import { inNanoseconds } from './log-time.ts';

/**
 * Containers that exist in memory only, for simulated fleets: it keeps every promise of the interface, starts
 * nothing, and with a simulated clock the same inputs give the same ends. What runs belongs to a `HollowHost`, so
 * that a simulated agent can "restart" over the same host.
 */
export interface HollowHost {
  readonly sandboxes: Map<string, { spec: SandboxSpec; ip: string; stopped: boolean }>;
  readonly containers: Map<string, HollowContainer>;
  readonly listeners: Set<(podUid: string) => void>;
  /** Numbers for pids and addresses. */
  counter: number;
}

interface HollowContainer {
  spec: ContainerSpec;
  behaviour: HollowBehaviour;
  state: ContainerState;
  output: string;
  timer: Timer | undefined;
}

/** How a container behaves; by default it runs until it is stopped and obeys SIGTERM with exit code 143. */
export interface HollowBehaviour {
  /** Ends by itself this long after its start, with `exitCode` (0). */
  exitAfterMs?: number;
  exitCode?: number;
  /** On SIGTERM it ends with this code; `never` ignores it and has to be killed. */
  onTerminate?: number | 'never';
  /** Said at once when it starts. */
  output?: string;
  /** The start fails so. */
  startError?: DriverError;
}

export interface HollowDriverOptions {
  clock: Clock;
  host?: HollowHost;
  behave?: (spec: ContainerSpec) => HollowBehaviour;
  /** Images that can be had; all when absent. */
  images?: ReadonlySet<string>;
  name?: string;
}

export function createHollowHost(): HollowHost {
  return { sandboxes: new Map(), containers: new Map(), listeners: new Set(), counter: 0 };
}

export function createHollowDriver(options: HollowDriverOptions): RuntimeDriver {
  return new HollowDriver(options);
}

const killedExitCode = 137;
const terminatedExitCode = 143;

class HollowDriver implements RuntimeDriver {
  readonly name: string;
  readonly #host: HollowHost;
  readonly #options: HollowDriverOptions;

  constructor(options: HollowDriverOptions) {
    this.name = options.name ?? 'hollow';
    this.#options = options;
    this.#host = options.host ?? createHollowHost();
  }

  probe(): Promise<DriverProbe> {
    const message = 'hollow containers: nothing really runs';
    return Promise.resolve({ available: true, message, version: 'hollow://1' });
  }

  list(): Promise<{ sandboxes: SandboxHandle[]; containers: ContainerHandle[] }> {
    return Promise.resolve({
      sandboxes: [...this.#host.sandboxes.keys()].map((podUid) => this.#sandboxHandle(podUid)),
      containers: [...this.#host.containers.values()].map(({ spec }) => this.#containerHandle(spec)),
    });
  }

  createSandbox(pod: SandboxSpec): Promise<SandboxHandle> {
    const number = ++this.#host.counter;
    const ip = pod.hostNetwork ? '192.0.2.1' : `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`;
    if (!this.#host.sandboxes.has(pod.podUid))
      this.#host.sandboxes.set(pod.podUid, { spec: pod, ip, stopped: false });
    return Promise.resolve(this.#sandboxHandle(pod.podUid));
  }

  inspectSandbox(handle: SandboxHandle): Promise<SandboxState> {
    const sandbox = this.#host.sandboxes.get(handle.podUid);
    if (!sandbox) return Promise.resolve({ state: 'missing' });
    return Promise.resolve(sandbox.stopped ? { state: 'stopped' } : { state: 'ready', podIps: [sandbox.ip] });
  }

  stopSandbox(handle: SandboxHandle): Promise<void> {
    const sandbox = this.#host.sandboxes.get(handle.podUid);
    if (sandbox) sandbox.stopped = true;
    return Promise.resolve();
  }

  async removeSandbox(handle: SandboxHandle): Promise<void> {
    for (const { spec } of this.#host.containers.values())
      if (spec.podUid === handle.podUid) await this.remove(this.#containerHandle(spec));
    this.#host.sandboxes.delete(handle.podUid);
  }

  async create(spec: ContainerSpec, sandbox: SandboxHandle): Promise<ContainerHandle> {
    const handle = this.#containerHandle({ ...spec, podUid: sandbox.podUid });
    if (!this.#host.containers.has(handle.id))
      this.#host.containers.set(handle.id, {
        spec,
        behaviour: this.#options.behave?.(spec) ?? {},
        state: { state: 'created' },
        output: '',
        timer: undefined,
      });
    return handle;
  }

  async start(handle: ContainerHandle): Promise<void> {
    const container = this.#host.containers.get(handle.id);
    if (!container) throw new DriverError('NotFound', `${handle.id} was never created or is removed`);
    if (container.state.state !== 'created') return;
    const { behaviour } = container;
    if (behaviour.startError) throw behaviour.startError;
    container.output = behaviour.output ?? '';
    container.state = {
      state: 'running',
      pid: ++this.#host.counter,
      startedAtMs: this.#options.clock.now(),
      imageId: container.spec.image,
    };
    if (behaviour.exitAfterMs !== undefined)
      container.timer = this.#options.clock.after(
        behaviour.exitAfterMs,
        () => this.#end(container, behaviour.exitCode ?? 0),
        { unref: true },
      );
  }

  async stop(handle: ContainerHandle, { graceMs }: { graceMs: number }): Promise<void> {
    const container = this.#host.containers.get(handle.id);
    if (container?.state.state === 'created') this.#host.containers.delete(handle.id);
    if (container?.state.state !== 'running') return;
    const { onTerminate = terminatedExitCode } = container.behaviour;
    if (graceMs > 0 && onTerminate !== 'never') return this.#end(container, onTerminate);
    if (graceMs > 0) await this.#endOrTimeout(container, graceMs);
    this.#end(container, killedExitCode);
  }

  #endOrTimeout(container: HollowContainer, graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.after(graceMs, () => done());
      const done = () => {
        timer.cancel();
        this.#host.listeners.delete(onEnd);
        resolve();
      };
      const onEnd = () => {
        if (container.state.state !== 'running') done();
      };
      this.#host.listeners.add(onEnd);
    });
  }

  update(handle: ContainerHandle, limits: ResourceLimits): Promise<void> {
    const container = this.#host.containers.get(handle.id);
    if (container?.state.state !== 'running')
      return Promise.reject(new DriverError('NotFound', `${handle.id} is not running`));
    container.spec = { ...container.spec, resources: limits };
    return Promise.resolve();
  }

  async remove(handle: ContainerHandle): Promise<void> {
    await this.stop(handle, { graceMs: 0 });
    this.#host.containers.delete(handle.id);
  }

  inspect(handle: ContainerHandle): Promise<ContainerState> {
    return Promise.resolve(this.#host.containers.get(handle.id)?.state ?? { state: 'missing' });
  }

  watch(onHint: (podUid: string) => void): Disposable {
    this.#host.listeners.add(onHint);
    return { [Symbol.dispose]: () => void this.#host.listeners.delete(onHint) };
  }

  async pull(image: string, { policy }: PullOptions): Promise<PulledImage> {
    if (this.#options.images?.has(image) ?? true) return { imageId: image, reference: image, sizeBytes: 0 };
    const code = policy === 'Never' ? 'ErrImageNeverPull' : 'ErrImagePull';
    throw new DriverError(code, `${image}: no such image`);
  }

  async *logs(handle: ContainerHandle, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array> {
    const container = this.#host.containers.get(handle.id);
    if (!container) throw new DriverError('NotFound', `no logs of ${handle.id}: it does not exist`);
    const lines = container.output.match(/[^\n]*\n|[^\n]+$/g) ?? [];
    const kept = options.tailLines === undefined ? lines : lines.slice(lines.length - options.tailLines);
    const stamp = options.timestamps ? `${inNanoseconds(new Date(startedAt(container)).toISOString())} ` : '';
    const text = Buffer.from(kept.map((line) => stamp + line).join(''));
    yield text.subarray(0, options.limitBytes ?? text.length);
    if (options.follow) await this.#ended(container, signal);
  }

  #ended(container: HollowContainer, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (container.state.state === 'running' && !signal.aborted) return;
        this.#host.listeners.delete(look);
        signal.removeEventListener('abort', look);
        resolve();
      };
      this.#host.listeners.add(look);
      signal.addEventListener('abort', look);
      look();
    });
  }

  #end(container: HollowContainer, exitCode: number): void {
    container.timer?.cancel();
    if (container.state.state !== 'running') return;
    const { startedAtMs, imageId } = container.state;
    container.state = {
      state: 'exited',
      exitCode,
      signal: undefined,
      outOfMemory: false,
      startedAtMs,
      finishedAtMs: this.#options.clock.now(),
      imageId,
    };
    for (const listener of this.#host.listeners) listener(container.spec.podUid);
  }

  #sandboxHandle(podUid: string): SandboxHandle {
    return { driver: this.name, podUid, id: podUid, data: {} };
  }

  #containerHandle(spec: { podUid: string; container: string; attempt: number }): ContainerHandle {
    const { podUid, container, attempt } = spec;
    const id = `${podUid}/${container}/${attempt}`;
    return { driver: this.name, podUid, container, attempt, id, data: {} };
  }
}

function startedAt({ state }: HollowContainer): number {
  return 'startedAtMs' in state ? state.startedAtMs : 0;
}
