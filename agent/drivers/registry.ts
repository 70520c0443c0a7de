import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { backoffMs } from '../../lib/backoff.ts';
import { type Clock, sleep, type Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { OpenLayers } from '../layers/layers-when-needed.ts';
import type { DriverProbe, RuntimeDriver } from './driver.ts';
import { DriverError } from './errors.ts';
import { engineCommands } from './oci/engine.ts';
import { createOciDriver } from './oci-driver.ts';
import { createProcessDriver } from './process-driver.ts';
import { RuntimeHealth } from './runtime-health.ts';

export interface DriverContext {
  /** The agent's own folder; also tells its containers from another agent's on the same host. */
  stateDir: string;
  cluster: string;
  clock: Clock;
  log: Logger;
  /** Images without an engine, and layers from devices nearby; absent: a driver has what its engine has. */
  layers?: OpenLayers;
}

export interface DriverDefinition {
  readonly name: string;
  /** Must not touch the host: `probe` does. */
  readonly open: (context: DriverContext & { seen: string | undefined }) => RuntimeDriver;
}

/** Every runtime there is, best first: a new one is one more line. */
export const driverDefinitions: readonly DriverDefinition[] = [
  {
    name: 'oci',
    open: (context) =>
      createOciDriver({
        ...context,
        owner: ownerOf(context.stateDir),
        engines: enginesAfter(context.seen),
      }),
  },
  { name: 'process', open: createProcessDriver },
];

export interface OpenDriver {
  driver: RuntimeDriver;
  probe: DriverProbe;
  health: RuntimeHealth;
}

export interface OpenDrivers extends Disposable {
  /**
   * Those that work here, and those that have worked and may again. The first is for pods that name no
   * runtimeClassName: a container engine where there is one, plain processes otherwise. The others are selected by
   * their name. One that is found later takes its place among them.
   */
  readonly drivers: readonly OpenDriver[];
  /** What has never worked here, and why, for people. */
  readonly unavailable: readonly { name: string; message: string }[];
  /** Called with each that is found later: an engine that was installed, or came up late. */
  onFound(handler: (found: OpenDriver) => void): Disposable;
}

/** One that has worked before is not waited for longer: it may as well answer later. */
const seenProbeMs = 5_000;
/** Where there is no engine a look costs three attempts to start a program that is not there. */
const lookAgain = { baseMs: 5_000, capMs: 60_000 };

/**
 * Finds out which runtimes work on this host. `runtime` other than `auto` allows only that one. `seen` tells which have
 * worked here before, with their versions: those stay in use although they do not answer now. What does not work yet is
 * looked at again now and then.
 * @throws DriverError `RuntimeUnavailable` when there is none of that name.
 */
export async function openDrivers({
  runtime,
  seen = new Map(),
  definitions = driverDefinitions,
  ...context
}: DriverContext & {
  runtime: string;
  seen?: ReadonlyMap<string, string>;
  definitions?: readonly DriverDefinition[];
}): Promise<OpenDrivers> {
  const allowed = definitions.filter(({ name }) => runtime === 'auto' || runtime === name);
  if (allowed.length === 0) throw new DriverError('RuntimeUnavailable', `no runtime is called ${runtime}`);
  const opened = await Promise.all(
    allowed.map(async ({ name, open }) => {
      const version = seen.get(name);
      const driver = open({ ...context, seen: version });
      const probe = version === undefined ? await driver.probe() : await probeSeen(driver, version, context);
      return { driver, probe, inUse: probe.available || version !== undefined };
    }),
  );
  return new Drivers(opened, context);
}

interface Candidate {
  driver: RuntimeDriver;
  probe: DriverProbe;
  inUse: boolean;
}

class Drivers implements OpenDrivers {
  readonly #candidates: readonly Candidate[];
  readonly #context: DriverContext;
  readonly #handlers = new Set<(found: OpenDriver) => void>();
  readonly #open = new Map<string, OpenDriver>();
  #timer: Timer | undefined;
  #looks = 0;
  #disposed = false;

  constructor(candidates: readonly Candidate[], context: DriverContext) {
    this.#candidates = candidates;
    this.#context = context;
    for (const candidate of candidates) if (candidate.inUse) this.#use(candidate);
    this.#schedule();
  }

  get drivers(): OpenDriver[] {
    return this.#candidates.flatMap(({ driver }) => this.#open.get(driver.name) ?? []);
  }

  get unavailable(): { name: string; message: string }[] {
    return this.#candidates
      .filter(({ inUse }) => !inUse)
      .map(({ driver, probe }) => ({ name: driver.name, message: probe.message }));
  }

  onFound(handler: (found: OpenDriver) => void): Disposable {
    this.#handlers.add(handler);
    return { [Symbol.dispose]: () => void this.#handlers.delete(handler) };
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
    this.#handlers.clear();
    for (const { health } of this.#open.values()) health[Symbol.dispose]();
    for (const { driver } of this.#candidates) driver[Symbol.dispose]?.();
  }

  #use(candidate: Candidate): OpenDriver {
    candidate.inUse = true;
    const { driver, probe } = candidate;
    const open = { driver, probe, health: new RuntimeHealth({ ...this.#context, driver, probe }) };
    this.#open.set(driver.name, open);
    return open;
  }

  #schedule(): void {
    if (this.#disposed || this.#candidates.every(({ inUse }) => inUse)) return;
    this.#looks += 1;
    const delayMs = backoffMs(this.#looks, lookAgain);
    this.#timer = this.#context.clock.after(
      delayMs,
      () => void this.#look().finally(() => this.#schedule()),
      {
        unref: true,
      },
    );
  }

  async #look(): Promise<void> {
    for (const candidate of this.#candidates.filter(({ inUse }) => !inUse)) {
      const { name } = candidate.driver;
      try {
        candidate.probe = await candidate.driver.probe();
        if (this.#disposed || !candidate.probe.available) continue;
        const found = this.#use(candidate);
        for (const handler of this.#handlers) handler(found);
      } catch (error) {
        this.#context.log.warn('a runtime could not be looked for', { runtime: name, error });
      }
    }
  }
}

async function probeSeen(
  driver: RuntimeDriver,
  version: string,
  { clock }: Pick<DriverContext, 'clock'>,
): Promise<DriverProbe> {
  const late = new AbortController();
  const message = `no answer within ${seenProbeMs} ms`;
  const silent = sleep(clock, seenProbeMs, late.signal).then(() => ({ available: false, message, version }));
  silent.catch(() => {});
  const probe = await Promise.race([driver.probe(), silent]);
  late.abort();
  return probe.available ? probe : { ...probe, version };
}

/** The engine that was used before and no other: what runs in it would be started again in another one. */
function enginesAfter(version: string | undefined): (typeof engineCommands)[number][] {
  const used = engineCommands.find((command) => version?.startsWith(`${command}://`));
  return used ? [used] : [...engineCommands];
}

function ownerOf(stateDir: string): string {
  return createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 16);
}
