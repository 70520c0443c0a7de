import type {
  ContainerHandle,
  ContainerSpec,
  ContainerState,
  PulledImage,
  PullOptions,
  ResourceLimits,
  RuntimeDriver,
  SandboxHandle,
  SandboxSpec,
  SandboxState,
} from '../../../../agent/drivers/driver.ts';
import type { Clock } from '../../../../lib/clock.ts';

/** A container engine in memory that outlives the agents using it. Records what was asked, in short words. */
export class FakeEngine implements RuntimeDriver {
  readonly name: string;
  readonly calls: string[] = [];
  readonly #clock: Clock;
  readonly #sandboxes = new Map<string, SandboxHandle>();
  readonly #stoppedSandboxes = new Set<string>();
  readonly #containers = new Map<
    string,
    { handle: ContainerHandle; spec: ContainerSpec; state: ContainerState }
  >();
  readonly #hints = new Set<(podUid: string) => void>();
  #pids = 100;
  /** Fails the named operation while set. */
  readonly failing = new Map<string, Error>();
  /** Stops resolve only through this, when set. */
  holdStop: Promise<void> | undefined;
  holdPull: Promise<void> | undefined;
  /** Images that a registry has to be asked for. */
  readonly absent = new Set<string>();
  /** Called between an operation's work and its answer. */
  afterStart: (() => void) | undefined;

  constructor(clock: Clock, name = 'fake') {
    this.#clock = clock;
    this.name = name;
  }

  get running(): string[] {
    return [...this.#containers].filter(([, { state }]) => state.state === 'running').map(([id]) => id);
  }

  get everything(): string[] {
    return [...this.#sandboxes.keys(), ...this.#containers.keys()];
  }

  spec(id: string): ContainerSpec | undefined {
    return this.#containers.get(id)?.spec;
  }

  pid(id: string): number | undefined {
    const state = this.#containers.get(id)?.state;
    return state?.state === 'running' ? state.pid : undefined;
  }

  /** Ends a container by itself; `hint` false as when the hint is lost. */
  exit(id: string, exitCode: number, { hint = true } = {}): void {
    const found = this.#containers.get(id);
    if (found?.state.state !== 'running') throw new Error(`${id} does not run`);
    found.state = this.#ended(found.state.startedAtMs, exitCode);
    if (hint) for (const onHint of this.#hints) onHint(found.handle.podUid);
  }

  /** What a power cut leaves. */
  reboot(): void {
    for (const found of this.#containers.values()) {
      if (found.state.state === 'running') found.state = this.#ended(found.state.startedAtMs, undefined);
    }
  }

  async probe() {
    return { available: true, message: 'fake', version: `${this.name}://1` };
  }

  async list() {
    this.#called('list');
    return {
      sandboxes: [...this.#sandboxes.values()],
      containers: [...this.#containers.values()].map(({ handle }) => handle),
    };
  }

  async createSandbox(spec: SandboxSpec): Promise<SandboxHandle> {
    this.#called(`sandbox ${spec.podUid}`);
    const id = `sandbox-${spec.podUid}`;
    const handle = { driver: this.name, podUid: spec.podUid, id, data: {} };
    this.#sandboxes.set(id, handle);
    return handle;
  }

  async inspectSandbox({ id }: SandboxHandle): Promise<SandboxState> {
    if (this.#stoppedSandboxes.has(id)) return { state: 'stopped' };
    return this.#sandboxes.has(id) ? { state: 'ready', podIps: ['10.1.0.5'] } : { state: 'missing' };
  }

  async stopSandbox({ id }: SandboxHandle): Promise<void> {
    this.#called(`stopSandbox ${id}`);
    this.#stoppedSandboxes.add(id);
  }

  async removeSandbox({ id }: SandboxHandle): Promise<void> {
    this.#called(`remove ${id}`);
    this.#sandboxes.delete(id);
    this.#stoppedSandboxes.delete(id);
  }

  async create(spec: ContainerSpec): Promise<ContainerHandle> {
    this.#called(`create ${containerId(spec)}`);
    const { podUid, container, attempt } = spec;
    const id = containerId(spec);
    const handle = { driver: this.name, podUid, container, attempt, id, data: {} };
    if (!this.#containers.has(id)) this.#containers.set(id, { handle, spec, state: { state: 'created' } });
    return handle;
  }

  async start({ id }: ContainerHandle): Promise<void> {
    this.#called(`start ${id}`);
    const found = this.#containers.get(id);
    if (!found) throw new Error(`no container ${id}`);
    this.#pids += 1;
    if (found.state.state === 'created') {
      found.state = {
        state: 'running',
        pid: this.#pids,
        startedAtMs: this.#clock.now(),
        imageId: 'sha256:1',
      };
    }
    this.afterStart?.();
  }

  async update({ id }: ContainerHandle, limits: ResourceLimits): Promise<void> {
    this.#called(`update ${id}`);
    const found = this.#containers.get(id);
    if (found) found.spec = { ...found.spec, resources: limits };
  }

  async stop({ id }: ContainerHandle, { graceMs }: { graceMs: number }): Promise<void> {
    this.#called(`stop ${id} ${graceMs}`);
    if (graceMs > 0) await this.holdStop;
    const found = this.#containers.get(id);
    if (found?.state.state === 'running') found.state = this.#ended(found.state.startedAtMs, 143);
  }

  async remove({ id }: ContainerHandle): Promise<void> {
    this.#called(`remove ${id}`);
    this.#containers.delete(id);
  }

  async inspect({ id }: ContainerHandle): Promise<ContainerState> {
    this.#called(`inspect ${id}`);
    return this.#containers.get(id)?.state ?? { state: 'missing' };
  }

  watch(onHint: (podUid: string) => void): Disposable {
    this.#hints.add(onHint);
    return { [Symbol.dispose]: () => this.#hints.delete(onHint) };
  }

  async pull(image: string, options: PullOptions): Promise<PulledImage> {
    const { signal, credentials = [], fetching = (fetch) => fetch() } = options;
    const found = { imageId: 'sha256:1', reference: 'sha256:1', sizeBytes: 1234 };
    this.#called(`pull ${image}`);
    if (!this.absent.has(image)) return this.#pulled(signal, found);
    return fetching(async () => {
      this.#called(`fetch ${[image, ...credentials.map(({ auth }) => auth)].join(' ')}`);
      const pulled = await this.#pulled(signal, found);
      this.absent.delete(image);
      return pulled;
    });
  }

  async #pulled(signal: AbortSignal, found: PulledImage): Promise<PulledImage> {
    if (this.holdPull) {
      const aborted = new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
      });
      await Promise.race([this.holdPull, aborted]);
    }
    return found;
  }

  #called(call: string): void {
    this.calls.push(call);
    const error = this.failing.get(call.split(' ')[0] ?? '');
    if (error) throw error;
  }

  #ended(startedAtMs: number, exitCode: number | undefined): ContainerState {
    const finishedAtMs = this.#clock.now();
    return {
      state: 'exited',
      exitCode,
      signal: undefined,
      outOfMemory: false,
      startedAtMs,
      finishedAtMs,
      imageId: '',
    };
  }
}

function containerId({ podUid, container, attempt }: ContainerSpec): string {
  return `${podUid}-${container}-${attempt}`;
}
