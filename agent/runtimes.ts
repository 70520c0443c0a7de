import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Journal } from './desired/journal.ts';
import { type DriverDefinition, type OpenDrivers, openDrivers } from './drivers/registry.ts';
import type { OpenLayers } from './layers/layers-when-needed.ts';

export interface Runtimes extends Disposable {
  readonly drivers: OpenDrivers['drivers'];
  /** Which of them does not answer, and why, for people; undefined while all do. */
  readonly problem: string | undefined;
}

export interface RuntimesOptions {
  runtime: string;
  dataDir: string;
  cluster: string;
  clock: Clock;
  log: Logger;
  journal: Journal;
  driverDefinitions?: readonly DriverDefinition[];
  layers?: OpenLayers;
}

const seenKey = 'host/runtimes';

/**
 * The runtimes of this device: those that work, and those that have worked at an earlier start. One that does not
 * answer now keeps its pods, which wait for it, and stays the default if it was: else pods without a runtimeClassName
 * would go to another. Rejects with a DriverError when there is none.
 */
export async function openRuntimes(options: RuntimesOptions): Promise<Runtimes> {
  const { runtime, dataDir, cluster, clock, log, journal, driverDefinitions, layers } = options;
  const seen = seenBefore(journal);
  const definitions = driverDefinitions ? { definitions: driverDefinitions } : {};
  const context = { stateDir: dataDir, cluster, clock, log, ...(layers ? { layers } : {}) };
  const open = await openDrivers({ runtime, seen, ...context, ...definitions });
  for (const { driver, probe } of open.drivers)
    if (probe.available) log.info('runtime found', { runtime: driver.name, about: probe.message });
  for (const { name, message } of open.unavailable)
    log.info('runtime not available', { runtime: name, about: message });
  await remember(open, seen, options);
  return {
    drivers: open.drivers,
    get problem() {
      const down = open.drivers.find(({ health }) => health.problem !== undefined);
      return down && `container runtime is down: ${down.driver.name}: ${down.health.problem ?? ''}`;
    },
    [Symbol.dispose]: () => open[Symbol.dispose](),
  };
}

async function remember(
  { drivers }: OpenDrivers,
  seen: ReadonlyMap<string, string>,
  { journal, log }: RuntimesOptions,
): Promise<void> {
  const found = drivers.filter(({ probe }) => probe.available);
  if (found.every(({ driver, probe }) => seen.get(driver.name) === probe.version)) return;
  const value = Object.fromEntries([
    ...seen,
    ...found.map(({ driver, probe }) => [driver.name, probe.version] as const),
  ]);
  await journal
    .write([{ key: seenKey, value }])
    .catch((error: unknown) => log.warn('runtimes not remembered', { error }));
}

/** By name, the version last found. The first release wrote names only. */
function seenBefore(journal: Journal): ReadonlyMap<string, string> {
  const value = journal.entries.get(seenKey);
  if (Array.isArray(value))
    return new Map(value.filter((name) => typeof name === 'string').map((name) => [name, '']));
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return new Map(entries.map(([name, version]) => [name, String(version)]));
}
