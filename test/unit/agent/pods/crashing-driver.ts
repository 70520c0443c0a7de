import type {
  ContainerHandle,
  ContainerSpec,
  ExecProcess,
  PullOptions,
  ResourceLimits,
  RuntimeDriver,
  SandboxHandle,
  SandboxSpec,
} from '../../../../agent/drivers/driver.ts';
import type { FakeEngine } from './fake-engine.ts';

/**
 * A runtime whose agent dies at one of its calls: that one never comes back, done or not, and nothing else is done
 * until `revive`. Looking does not count.
 */
export class CrashingDriver implements RuntimeDriver {
  readonly name: string;
  readonly doubles: string[] = [];
  calls = 0;
  struck = false;
  commandsExit = 0;
  readonly #engine: FakeEngine;
  readonly #at: { killAt: number; moment: 'before' | 'after' };

  constructor(engine: FakeEngine, at: { killAt: number; moment: 'before' | 'after' }) {
    this.#engine = engine;
    this.#at = at;
    this.name = engine.name;
  }

  revive(): void {
    this.struck = false;
  }

  probe() {
    return this.#engine.probe();
  }

  list() {
    return this.#engine.list();
  }

  inspect(handle: ContainerHandle) {
    return this.#engine.inspect(handle);
  }

  inspectSandbox(handle: SandboxHandle) {
    return this.#engine.inspectSandbox(handle);
  }

  watch(onHint: (podUid: string) => void) {
    return this.#engine.watch(onHint);
  }

  createSandbox(spec: SandboxSpec) {
    return this.#call(() => this.#engine.createSandbox(spec));
  }

  stopSandbox(handle: SandboxHandle) {
    return this.#call(() => this.#engine.stopSandbox(handle));
  }

  removeSandbox(handle: SandboxHandle) {
    return this.#call(() => this.#engine.removeSandbox(handle));
  }

  create(spec: ContainerSpec) {
    return this.#call(() => this.#engine.create(spec));
  }

  start(handle: ContainerHandle) {
    return this.#call(async () => {
      await this.#engine.start(handle);
      const twins = this.#engine.running.filter(
        (id) => id.replace(/-\d+$/, '') === handle.id.replace(/-\d+$/, ''),
      );
      if (twins.length > 1) this.doubles.push(twins.join(' and '));
    });
  }

  stop(handle: ContainerHandle, options: { graceMs: number }) {
    return this.#call(() => this.#engine.stop(handle, options));
  }

  update(handle: ContainerHandle, limits: ResourceLimits) {
    return this.#call(() => this.#engine.update(handle, limits));
  }

  remove(handle: ContainerHandle) {
    return this.#call(() => this.#engine.remove(handle));
  }

  pull(image: string, options: PullOptions) {
    return this.#call(() => this.#engine.pull(image, options));
  }

  exec(): Promise<ExecProcess> {
    const exit = Promise.resolve(this.commandsExit);
    return this.#call(() =>
      Promise.resolve({
        write: () => Promise.resolve(),
        endStdin: () => {},
        resize: () => Promise.resolve(),
        async *output() {},
        exit,
        kill: () => {},
      }),
    );
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    if (this.struck) return new Promise<never>(() => {});
    this.calls += 1;
    this.struck = this.calls === this.#at.killAt;
    if (!this.struck) return work();
    if (this.#at.moment === 'after') await work();
    return new Promise<never>(() => {});
  }
}
