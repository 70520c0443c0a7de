import { join } from 'node:path';
import { type Disk, systemDisk } from '../../agent/desired/disk.ts';
import type { ContainerSpec } from '../../agent/drivers/driver.ts';
import {
  createHollowDriver,
  createHollowHost,
  type HollowBehaviour,
} from '../../agent/drivers/hollow-driver.ts';
import type { DriverDefinition } from '../../agent/drivers/registry.ts';
import { identifyDevice } from '../../agent/identify-device.ts';
import { type Agent, startAgent } from '../../agent/main.ts';
import type { Clock } from '../../lib/clock.ts';
import { forEachLimited } from '../../lib/for-each-limited.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { flotillaVersion } from '../../protocol/version.ts';
import { type SimulatedSize, simulatedHost } from './simulated-host.ts';

export interface FleetOptions {
  /** Holds a folder for each device, so that the same fleet can be started again. */
  directory: string;
  server: { host: string; port: number };
  /** For devices that have not joined before. */
  joinToken: string | undefined;
  nodes: number;
  /** Devices are called `<prefix>-<number>`. */
  prefix: string;
  labels: Readonly<Record<string, string>>;
  /** Devices are spread over so many zones. */
  zones: number;
  size: SimulatedSize;
  clock: Clock;
  random: Random;
  log: Logger;
  signal: AbortSignal;
  onStarted(count: number): void;
}

/** TLS handshakes and certificates are work for both sides: so many devices join at a time. */
const startedAtOnceMax = 16;

/**
 * Starts devices that run the agent's own code, each over its own TLS and MQTT connection, with containers that exist in
 * memory only. Rejects with what the first device that cannot start rejects with; those that run are stopped then.
 */
export async function startSimulatedFleet(options: FleetOptions): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack();
  let started = 0;
  const numbers = Array.from({ length: options.nodes }, (_, index) => index + 1);
  try {
    await forEachLimited(numbers, startedAtOnceMax, async (number) => {
      if (options.signal.aborted) return;
      stack.use(await startDevice(number, options));
      options.onStarted(++started);
    });
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
  return stack;
}

function startDevice(number: number, options: FleetOptions): Promise<Agent> {
  const { directory, server, joinToken, prefix, labels, zones, size, clock, random, log, signal } = options;
  const name = `${prefix}-${number}`;
  const config = {
    dataDir: join(directory, name),
    server,
    name,
    joinToken,
    labels: { 'topology.kubernetes.io/zone': `zone-${number % zones}`, ...labels },
    stopWorkloads: true,
  };
  const deviceLog = log.child({ node: name });
  return startAgent(config, {
    clock,
    random,
    log: deviceLog,
    signal,
    version: `v${flotillaVersion}`,
    host: simulatedHost(name, size),
    driverDefinitions: hollowRuntimes(),
    disk: unsyncedDisk,
    identify: (abort) =>
      identifyDevice({ ...config, joinToken, clock, random, log: deviceLog, signal: abort }),
  });
}

/** Under the names of the real ones, so that every manifest finds its runtime. */
function hollowRuntimes(): DriverDefinition[] {
  const host = createHollowHost();
  return ['oci', 'process'].map((name) => ({
    name,
    open: ({ clock }) => createHollowDriver({ clock, host, name, behave }),
  }));
}

/** `true`, `false` and `sleep N` end as they would; everything else runs until it is stopped. */
function behave({ command, args }: ContainerSpec): HollowBehaviour {
  const [program = '', seconds = ''] = [...command, ...args];
  if (program === 'true' || program === 'false')
    return { exitAfterMs: 0, exitCode: program === 'true' ? 0 : 1 };
  if (program === 'sleep' && Number(seconds) >= 0) return { exitAfterMs: Number(seconds) * 1000 };
  return {};
}

/** A thousand devices on one disk would wait for each other's syncs; what a power cut loses here is no loss. */
const unsyncedDisk: Disk = {
  ...systemDisk,
  open: async (path) => withoutSync(await systemDisk.open(path)),
  replace: async (path, bytes) => withoutSync(await systemDisk.replace(path, bytes)),
};

function withoutSync(file: Awaited<ReturnType<Disk['open']>>): Awaited<ReturnType<Disk['open']>> {
  return { ...file, sync: () => Promise.resolve() };
}
