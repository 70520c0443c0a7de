import { backoffMs } from '../lib/backoff.ts';
import { type Clock, sleep } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Journal } from './desired/journal.ts';
import { DriverError } from './drivers/errors.ts';
import { type DriverDefinition, type OpenDrivers, openDrivers } from './drivers/registry.ts';

export interface Runtimes extends Disposable {
  readonly drivers: OpenDrivers['drivers'];
  /** What worked at an earlier start and does not now, and why. */
  readonly missing: string | undefined;
}

export interface RuntimesOptions {
  runtime: string;
  dataDir: string;
  cluster: string;
  clock: Clock;
  log: Logger;
  journal: Journal;
  signal: AbortSignal;
  driverDefinitions?: readonly DriverDefinition[];
}

const seenKey = 'host/runtimes';
/** An engine that is only slow to come up after a boot is waited for this many times. */
const attemptsMax = 5;
const retryBackoff = { baseMs: 1_000, capMs: 8_000 };

/**
 * The runtimes that work here. One that worked before and does not yet is waited for a little, because with it
 * missing pods without a runtimeClassName would go to another default. Rejects with a DriverError when none works.
 */
export async function openRuntimes(options: RuntimesOptions): Promise<Runtimes> {
  const { clock, log, signal, journal, runtime } = options;
  const seen = seenBefore(journal).filter((name) => runtime === 'auto' || runtime === name);
  for (let attempt = 1; ; attempt++) {
    const isLast = attempt >= attemptsMax;
    const open = await tryOpen(options, { mayFail: isLast || seen.length === 0 });
    const missing = open
      ? seen.find((name) => !open.drivers.some(({ driver }) => driver.name === name))
      : seen[0];
    if (open && (missing === undefined || isLast)) return remember(open, missing, options);
    open?.[Symbol.dispose]();
    log.warn('a runtime that worked before is waited for', { runtime: missing });
    await sleep(clock, backoffMs(attempt, retryBackoff), signal);
  }
}

async function tryOpen(
  options: RuntimesOptions,
  { mayFail }: { mayFail: boolean },
): Promise<OpenDrivers | undefined> {
  const { runtime, dataDir, cluster, clock, log, driverDefinitions } = options;
  try {
    const definitions = driverDefinitions ? { definitions: driverDefinitions } : {};
    return await openDrivers({ runtime, stateDir: dataDir, cluster, clock, log, ...definitions });
  } catch (error) {
    if (mayFail || !(error instanceof DriverError)) throw error;
    return undefined;
  }
}

async function remember(
  open: OpenDrivers,
  missing: string | undefined,
  { journal, log }: RuntimesOptions,
): Promise<Runtimes> {
  const names = open.drivers.map(({ driver }) => driver.name);
  const before = seenBefore(journal);
  const seen = [...new Set([...names, ...before])];
  for (const { driver, probe } of open.drivers)
    log.info('runtime found', { runtime: driver.name, about: probe.message });
  for (const { name, message } of open.unavailable)
    log.info('runtime not available', { runtime: name, about: message });
  if (seen.length > before.length) {
    await journal
      .write([{ key: seenKey, value: seen }])
      .catch((error: unknown) => log.warn('runtimes not remembered', { error }));
  }
  const reason = open.unavailable.find(({ name }) => name === missing)?.message;
  return {
    drivers: open.drivers,
    missing: missing === undefined ? undefined : `${missing}: ${reason ?? 'not available'}`,
    [Symbol.dispose]: () => open[Symbol.dispose](),
  };
}

function seenBefore(journal: Journal): string[] {
  const value = journal.entries.get(seenKey);
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : [];
}
