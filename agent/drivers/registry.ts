import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { DriverProbe, RuntimeDriver } from './driver.ts';
import { DriverError } from './errors.ts';
import { createOciDriver } from './oci-driver.ts';
import { createProcessDriver } from './process-driver.ts';

export interface DriverContext {
  /** The agent's own folder; also tells its containers from another agent's on the same host. */
  stateDir: string;
  cluster: string;
  clock: Clock;
  log: Logger;
}

export interface DriverDefinition {
  readonly name: string;
  /** Must not touch the host: `probe` does. */
  readonly open: (context: DriverContext) => RuntimeDriver;
}

/** Every runtime there is, best first: a new one is one more line. */
export const driverDefinitions: readonly DriverDefinition[] = [
  { name: 'oci', open: (context) => createOciDriver({ ...context, owner: ownerOf(context.stateDir) }) },
  { name: 'process', open: createProcessDriver },
];

export interface OpenDrivers extends Disposable {
  /**
   * Those that work here. The first is for pods that name no runtimeClassName: a container engine where one works,
   * plain processes otherwise. The others are selected by their name.
   */
  readonly drivers: readonly { driver: RuntimeDriver; probe: DriverProbe }[];
  /** What does not work and why, for people. */
  readonly unavailable: readonly { name: string; message: string }[];
}

/**
 * Finds out which runtimes work on this host. `runtime` other than `auto` allows only that one.
 * @throws DriverError `RuntimeUnavailable` when none works; its message tells why for each.
 */
export async function openDrivers({
  runtime,
  definitions = driverDefinitions,
  ...context
}: DriverContext & {
  runtime: string;
  definitions?: readonly DriverDefinition[];
}): Promise<OpenDrivers> {
  const allowed = definitions.filter(({ name }) => runtime === 'auto' || runtime === name);
  if (allowed.length === 0) throw new DriverError('RuntimeUnavailable', `no runtime is called ${runtime}`);
  const probed = await Promise.all(
    allowed.map(async ({ open }) => {
      const driver = open(context);
      return { driver, probe: await driver.probe() };
    }),
  );
  const drivers = probed.filter(({ probe }) => probe.available);
  const unavailable = probed
    .filter(({ probe }) => !probe.available)
    .map(({ driver, probe }) => ({ name: driver.name, message: probe.message }));
  if (drivers.length === 0) {
    const reasons = unavailable.map(({ name, message }) => `${name}: ${message}`).join('; ');
    throw new DriverError('RuntimeUnavailable', `no runtime works here: ${reasons}`);
  }
  return {
    drivers,
    unavailable,
    [Symbol.dispose]: () => {
      for (const { driver } of probed) driver[Symbol.dispose]?.();
    },
  };
}

function ownerOf(stateDir: string): string {
  return createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 16);
}
