import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { type Clock, sleep } from '../../lib/clock.ts';
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
   * their name.
   */
  readonly drivers: readonly OpenDriver[];
  /** What does not work and why, for people. */
  readonly unavailable: readonly { name: string; message: string }[];
}

/** One that has worked before is not waited for longer: it may as well answer later. */
const seenProbeMs = 5_000;

/**
 * Finds out which runtimes work on this host. `runtime` other than `auto` allows only that one. `seen` tells which have
 * worked here before, with their versions: those stay in use although they do not answer now.
 * @throws DriverError `RuntimeUnavailable` when none works; its message tells why for each.
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
      return { driver, probe, health: new RuntimeHealth({ ...context, driver, probe }) };
    }),
  );
  const unavailable = opened
    .filter(({ probe }) => !probe.available)
    .map(({ driver, probe }) => ({ name: driver.name, message: probe.message }));
  const drivers = opened.filter(({ driver, probe }) => probe.available || seen.has(driver.name));
  if (drivers.length === 0) {
    const reasons = unavailable.map(({ name, message }) => `${name}: ${message}`).join('; ');
    throw new DriverError('RuntimeUnavailable', `no runtime works here: ${reasons}`);
  }
  return {
    drivers,
    unavailable,
    [Symbol.dispose]: () => {
      for (const { driver, health } of opened) {
        health[Symbol.dispose]();
        driver[Symbol.dispose]?.();
      }
    },
  };
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
