import { availableParallelism, networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import { goArchitecture } from '../../protocol/go-architecture.ts';
import { layersPortAnnotation } from '../../protocol/kinds/neighbours.ts';
import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { Journal } from '../desired/journal.ts';
import { countedDevices, deviceLabels, reportedDevices } from '../devices/describe-devices.ts';
import type { FoundDevice } from '../devices/found-device.ts';
import type { StatusOutbox } from '../link/status-outbox.ts';
import { addressFacing, type NetworkInterfaces, nodeIps } from './addresses.ts';
import { type NodeResources, nodeAllocatable, nodeCapacity, resourceQuantities } from './capacity.ts';
import {
  type NodeProblems,
  nodeConditions,
  type Pressures,
  type PressureType,
  pressuresAt,
  type Shortage,
  shortagesOf,
} from './conditions.ts';
import {
  type Ailments,
  ailmentsOf,
  type Health,
  type HealthFiles,
  healthAnnotations,
  healthConditions,
  healthLabels,
  readHealth,
} from './health.ts';
import {
  describeHardware,
  type HardwareDescription,
  type HostDescription,
  parseHardware,
  readHostDescription,
} from './host-description.ts';
import type { HostFiles } from './host-files.ts';
import { type HostLoad, readHostLoad } from './host-load.ts';
import { nodeLabels } from './node-labels.ts';
import type { Reservation, Thresholds } from './thresholds.ts';

export interface NodeMonitorOptions {
  name: string;
  /** The owner's labels. */
  labels: Readonly<Record<string, string>>;
  dataDir: string;
  /** Kept back from pods. */
  reserved: Reservation;
  /** Below these the node is under pressure, and pods are evicted. */
  thresholds: Thresholds;
  /** As shown by `kubectl get nodes`, e.g. `v0.1.0`. */
  version: string;
  bootId: string;
  server: { host: string; port: number } | undefined;
  /** Runtime drivers in use, the default first, and what the default is, e.g. `podman://5.4.2`. */
  runtimes: () => readonly string[];
  runtimeVersion: () => string;
  problems: () => NodeProblems;
  /** Where the engine's images lie, if on another file system than the agent's data. */
  imageRoot?: () => Promise<string | undefined>;
  /** A pressure counts until it was gone this long. */
  pressureTransitionMs: number;
  clock: Clock;
  log: Logger;
  journal: Journal;
  outbox: Pick<StatusOutbox, 'reportNode'>;
  host: Host;
  /** Where the machine's own health is read. */
  healthFiles: HealthFiles;
  /** What the machine has that containers may claim. */
  devices: { readonly devices: readonly FoundDevice[]; onChange(handler: () => void): Disposable };
}

/** The machine, so that a test can be another one. */
export interface Host {
  files: HostFiles;
  interfaces: () => NetworkInterfaces;
  cpuCount: number;
  architecture: string;
  hostname: string;
  addressFacing: (host: string, port: number) => Promise<string | undefined>;
  describeHardware: (signal: AbortSignal) => Promise<HardwareDescription | undefined>;
}

export function systemHost(files: HostFiles, hostname: string): Host {
  return {
    files,
    hostname,
    interfaces: networkInterfaces,
    cpuCount: availableParallelism(),
    architecture: process.arch,
    addressFacing,
    describeHardware,
  };
}

export const checkIntervalMs = 60_000;
/** As often as a kubelet: what grows fast must be seen before the kernel acts. */
export const shortageIntervalMs = 10_000;
const hardwareKey = 'host/hardware';

/**
 * What the node says of itself. Looks at a few small files every minute and reports only what changed; the slow
 * description of the hardware is made once per boot and remembered in the journal.
 */
export class NodeMonitor {
  readonly #options: NodeMonitorOptions;
  readonly #stopping = new AbortController();
  #description: HostDescription | undefined;
  #load: HostLoad | undefined;
  #routes = '';
  /** Our address on the way to the server, and the ways that there were when it was found. */
  #facing: string | undefined;
  #facingAmong = '';
  #looking = false;
  #ips: readonly string[] = [];
  #pressures: Pressures = {};
  #health: Health | undefined;
  #ailments: Ailments = new Map();
  #devices: Disposable | undefined;
  readonly #shortageHandlers = new Set<(shortages: readonly Shortage[]) => void>();
  #shortageTimer: Timer | undefined;
  #reported: NodeReport | undefined;
  #images: NodeReport['images'];
  #layersPort: number | undefined;
  #timer: Timer | undefined;

  constructor(options: NodeMonitorOptions) {
    this.#options = options;
  }

  /** Resolves once the node is known and reported; the hardware's description may follow. */
  async start(): Promise<void> {
    this.#description = await readHostDescription(this.#options.host.files);
    const known = this.#rememberedHardware();
    if (known) this.#learn(known);
    await this.#check();
    this.#devices = this.#options.devices.onChange(() => this.#report());
    if (!known) void this.#describeHardware();
    this.#watchShortages();
  }

  /** Calls `handler` every ten seconds while something is short. */
  onShortage(handler: (shortages: readonly Shortage[]) => void): Disposable {
    this.#shortageHandlers.add(handler);
    return { [Symbol.dispose]: () => void this.#shortageHandlers.delete(handler) };
  }

  /** What is under pressure, or was until lately. */
  get pressures(): ReadonlySet<PressureType> {
    return new Set(Object.keys(this.#pressures) as PressureType[]);
  }

  stop(): void {
    this.#stopping.abort(new Error('the agent is stopping'));
    this.#devices?.[Symbol.dispose]();
    this.#timer?.cancel();
    this.#shortageTimer?.cancel();
  }

  /** The one towards the server first; never empty. */
  get ips(): readonly string[] {
    return this.#ips.length > 0 ? this.#ips : ['127.0.0.1'];
  }

  get allocatable(): NodeResources {
    return nodeAllocatable(this.#capacity, this.#options);
  }

  /** As last reported; none before. */
  get labels(): Readonly<Record<string, string>> {
    return this.#reported?.labels ?? {};
  }

  /** The largest that are on this device, by size. */
  setImages(images: NonNullable<NodeReport['images']>): void {
    this.#images = images;
    this.refresh();
  }

  /** Something that it says has changed. */
  refresh(): void {
    if (this.#reported) this.#report();
  }

  /** At which this device gives layers to its neighbours; undefined when it does not. */
  setLayersPort(port: number | undefined): void {
    this.#layersPort = port;
    if (this.#reported) this.#report();
  }

  /** Load average over one minute. */
  get load(): number {
    return this.#load?.load ?? 0;
  }

  get #capacity(): NodeResources {
    if (!this.#load) return { cpuMillis: 0, memoryBytes: 0, ephemeralStorageBytes: 0, pods: 0 };
    return nodeCapacity(this.#load, this.#options.host.cpuCount);
  }

  async #check(): Promise<void> {
    const { host, dataDir, clock, healthFiles } = this.#options;
    const [load, routes, health] = await Promise.all([
      readHostLoad(host.files, dataDir, await this.#options.imageRoot?.()),
      host.files.read('/proc/net/route'),
      readHealth(healthFiles),
    ]);
    this.#load = load;
    this.#health = health;
    this.#ailments = ailmentsOf(health, this.#ailments, clock.monotonic());
    this.#routes = routes ?? '';
    this.#feel(shortagesOf(load, this.#options.thresholds));
    this.#report();
    if (this.#stopping.signal.aborted) return;
    void this.#lookWhereServerIs();
    this.#timer = clock.after(checkIntervalMs, () => void this.#checkAgain(), { unref: true });
  }

  async #checkAgain(): Promise<void> {
    try {
      await this.#check();
    } catch (error) {
      this.#options.log.error('the node could not be looked at', { error });
    }
  }

  #watchShortages(): void {
    const { clock, log } = this.#options;
    this.#shortageTimer = clock.after(
      shortageIntervalMs,
      () =>
        void this.#lookForShortages()
          .catch((error: unknown) => log.error('the node could not be looked at', { error }))
          .finally(() => {
            if (!this.#stopping.signal.aborted) this.#watchShortages();
          }),
      { unref: true },
    );
  }

  async #lookForShortages(): Promise<void> {
    const { host, dataDir, thresholds } = this.#options;
    const shortages = shortagesOf(
      await readHostLoad(host.files, dataDir, await this.#options.imageRoot?.()),
      thresholds,
    );
    if (this.#stopping.signal.aborted) return;
    this.#feel(shortages);
    this.#report();
    if (shortages.length > 0) for (const handler of this.#shortageHandlers) handler(shortages);
  }

  #feel(shortages: readonly Shortage[]): void {
    const { clock, problems, pressureTransitionMs } = this.#options;
    const felt = { shortages, diskFails: problems().dataDisk !== undefined };
    const time = { nowMs: clock.monotonic(), goneAfterMs: pressureTransitionMs };
    this.#pressures = pressuresAt(felt, this.#pressures, time);
  }

  /**
   * Only when the ways out have changed: a look asks for the server's name, which a metered link carries. Not waited for: without a
   * network the name takes long to not be found.
   */
  async #lookWhereServerIs(): Promise<void> {
    const { host, server } = this.#options;
    const ways = JSON.stringify([this.#routes, host.interfaces()]);
    if (!server || this.#looking || (this.#facing !== undefined && this.#facingAmong === ways)) return;
    this.#looking = true;
    this.#facing = await host.addressFacing(server.host, server.port);
    this.#facingAmong = ways;
    this.#looking = false;
    this.#report();
  }

  #report(): void {
    const interfaces = this.#options.host.interfaces();
    this.#ips = nodeIps(interfaces, { facing: this.#facing, routes: this.#routes });
    const report = this.#nodeReport();
    if (isDeepStrictEqual(report, this.#reported)) return;
    this.#reported = report;
    this.#options.outbox.reportNode(report);
  }

  #nodeReport(): NodeReport {
    const { host, name, labels, version, bootId, runtimes, runtimeVersion, problems } = this.#options;
    const {
      machineId = '',
      systemUuid = '',
      kernelVersion = '',
      osImage = '',
      model = '',
    } = this.#description ?? {};
    const architecture = goArchitecture(host.architecture);
    const { devices } = this.#options.devices;
    const counted = [...countedDevices(devices)].map(([name, found]) => [name, String(found.length)]);
    const extended = Object.fromEntries(counted) as Record<string, string>;
    const annotations = {
      ...(this.#health ? healthAnnotations(this.#health) : {}),
      ...(this.#layersPort === undefined ? {} : { [layersPortAnnotation]: String(this.#layersPort) }),
    };
    const reported = reportedDevices(devices);
    const own = { ...deviceLabels(devices), ...(this.#health ? healthLabels(this.#health) : {}), ...labels };
    return {
      capacity: { ...resourceQuantities(this.#capacity), ...extended },
      allocatable: { ...resourceQuantities(this.allocatable), ...extended },
      addresses: [
        ...this.ips.map((address) => ({ type: 'InternalIP', address })),
        { type: 'Hostname', address: host.hostname },
      ],
      nodeInfo: {
        machineID: machineId,
        systemUUID: systemUuid,
        bootID: bootId,
        kernelVersion,
        osImage,
        containerRuntimeVersion: runtimeVersion(),
        kubeletVersion: version,
        kubeProxyVersion: '',
        operatingSystem: 'linux',
        architecture,
      },
      labels: nodeLabels({ name, architecture, model, own }),
      conditions: [
        ...nodeConditions(this.#pressures, problems()),
        ...(this.#health ? healthConditions(this.#health, this.#ailments) : []),
      ],
      runtimes: [...runtimes()],
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
      ...(reported.length > 0 ? { devices: reported } : {}),
      ...(this.#images ? { images: this.#images } : {}),
    };
  }

  async #describeHardware(): Promise<void> {
    const { host, journal, bootId, log } = this.#options;
    const hardware = await host.describeHardware(this.#stopping.signal);
    if (this.#stopping.signal.aborted) return;
    if (!hardware) return log.info('the hardware could not be described');
    this.#learn(hardware);
    this.#report();
    await journal
      .write([{ key: hardwareKey, value: { bootId, ...hardware } }])
      .catch((error: unknown) => log.warn('hardware description not written', { error }));
  }

  #rememberedHardware(): HardwareDescription | undefined {
    const { journal, bootId } = this.#options;
    const value = journal.entries.get(hardwareKey) as { bootId?: unknown } | undefined;
    return value?.bootId === bootId ? parseHardware(value) : undefined;
  }

  /** What the kernel says itself is preferred. */
  #learn(hardware: HardwareDescription): void {
    if (!this.#description) return;
    const { model, systemUuid, machineId } = this.#description;
    const uuid = systemUuid === machineId ? hardware.systemUuid || systemUuid : systemUuid;
    this.#description = { ...this.#description, model: model || hardware.model, systemUuid: uuid };
  }
}
