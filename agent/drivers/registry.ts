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
  /** For pods that name no runtimeClassName: a container engine where one works, plain processes otherwise. */
  readonly default: RuntimeDriver;
  /** Those that work here, by the runtimeClassName that selects them; the default comes first. */
  readonly drivers: ReadonlyMap<string, RuntimeDriver>;
  /** What was found, also of those that do not work, for the node's status and for people. */
  readonly probes: readonly ({ name: string } & DriverProbe)[];
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
  const opened = allowed.map(({ open }) => open(context));
  const probes = await Promise.all(
    opened.map(async (driver) => ({ name: driver.name, ...(await driver.probe()) })),
  );
  const usable = opened.filter((_, index) => probes[index]?.available);
  const [first] = usable;
  if (!first) {
    const reasons = probes.map(({ name, message }) => `${name}: ${message}`).join('; ');
    throw new DriverError('RuntimeUnavailable', `no runtime works here: ${reasons}`);
  }
  return {
    default: first,
    drivers: new Map(usable.map((driver) => [driver.name, driver])),
    probes,
    [Symbol.dispose]: () => {
      for (const driver of opened) driver[Symbol.dispose]?.();
    },
  };
}

function ownerOf(stateDir: string): string {
  return createHash('sha256').update(resolve(stateDir)).digest('hex').slice(0, 16);
}
