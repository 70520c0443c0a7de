import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Journal } from './desired/journal.ts';
import { type DriverDefinition, type OpenDriver, type OpenDrivers, openDrivers } from './drivers/registry.ts';
import { onOneDisk } from './host/host-files.ts';
import type { OpenLayers } from './layers/layers-when-needed.ts';

export interface Runtimes extends Disposable {
  /** In use, the default first; grows when one is found later. */
  readonly drivers: OpenDrivers['drivers'];
  /** Which of them does not answer, and why, for people; undefined while all do. */
  readonly problem: string | undefined;
  /** Which limits are not enforced by which of them, and what to do about it; undefined while all are. */
  readonly unenforced: string | undefined;
  /** The folder of the images, where they lie on another file system than the agent's data; nobody is waited for. */
  imageRoot(): Promise<string | undefined>;
  /** Called with each that is found later, once it is among `drivers`. */
  onFound: OpenDrivers['onFound'];
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
 * would go to another. One that comes later is used from then on; while there is none at all, pods wait. Rejects with a
 * DriverError when none has the name asked for.
 */
export async function openRuntimes(options: RuntimesOptions): Promise<Runtimes> {
  const { runtime, dataDir, cluster, clock, log, journal, driverDefinitions, layers } = options;
  const seen = seenBefore(journal);
  const definitions = driverDefinitions ? { definitions: driverDefinitions } : {};
  const context = { stateDir: dataDir, cluster, clock, log, ...(layers ? { layers } : {}) };
  const open = await openDrivers({ runtime, seen, ...context, ...definitions });
  const announce = ({ driver, probe }: OpenDriver) =>
    log.info('runtime found', { runtime: driver.name, about: probe.message });
  for (const found of open.drivers) if (found.probe.available) announce(found);
  for (const { name, message } of open.unavailable)
    log.info('runtime not available', { runtime: name, about: message });
  await remember(open, seen, options);
  open.onFound((found) => {
    announce(found);
    void remember(open, seen, options);
  });
  return {
    get drivers() {
      return open.drivers;
    },
    get problem() {
      return problemOf(open);
    },
    get unenforced() {
      return unenforcedBy(open);
    },
    imageRoot: () => otherImageRoot(open, dataDir),
    onFound: (handler) => open.onFound(handler),
    [Symbol.dispose]: () => open[Symbol.dispose](),
  };
}

function problemOf({ drivers, unavailable }: OpenDrivers): string | undefined {
  if (drivers.length === 0) {
    const reasons = unavailable.map(({ name, message }) => `${name}: ${message}`).join('; ');
    return `no container runtime works here: ${reasons}; it is used as soon as there is one`;
  }
  const down = drivers.find(({ health }) => health.problem !== undefined);
  return down && `container runtime is down: ${down.driver.name}: ${down.health.problem ?? ''}`;
}

async function otherImageRoot({ drivers }: OpenDrivers, dataDir: string): Promise<string | undefined> {
  const well = drivers.filter(({ health }) => health.problem === undefined);
  const store = well.find(({ driver }) => driver.images)?.driver.images;
  const root = await store?.root().catch(() => undefined);
  return root === undefined || (await onOneDisk(root, dataDir)) ? undefined : root;
}

const groupsAdvice =
  'control groups (/sys/fs/cgroup) must be mounted writable with these controllers; a Raspberry Pi needs cgroup_enable=memory at the end of cmdline.txt on its boot partition, and a restart';

function unenforcedBy({ drivers }: OpenDrivers): string | undefined {
  const found = drivers.flatMap(({ driver }) => {
    const { resources } = driver.unenforced ?? { resources: [] };
    return resources.length > 0 ? [`${driver.name}: ${resources.join(', ')}`] : [];
  });
  return found.length === 0 ? undefined : `limits not enforced by ${found.join('; ')}. ${groupsAdvice}`;
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
