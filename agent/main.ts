import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';
import type { Pod } from '../protocol/generated/models.ts';
import { type AgentConfig, type AgentConfigInput, parseAgentConfig } from './config.ts';
import { claimDataDir } from './data-dir.ts';
import { countBoot } from './desired/boot-counter.ts';
import { type DesiredSet, openDesiredSet } from './desired/desired-set.ts';
import type { Disk } from './desired/disk.ts';
import { openJournal } from './desired/journal.ts';
import { type WatchedJournal, watchJournal } from './desired/watched-journal.ts';
import { countedDevices, keyOfDevice } from './devices/describe-devices.ts';
import { type DeviceFiles, deviceFiles } from './devices/device-files.ts';
import { DeviceMonitor } from './devices/device-monitor.ts';
import { createPodDevices } from './devices/pod-devices.ts';
import { currentBootId } from './drivers/process-identity.ts';
import type { DriverDefinition } from './drivers/registry.ts';
import { Evictor } from './eviction/evictor.ts';
import { watchStorageLimits } from './eviction/storage-limits.ts';
import { clockTrusted } from './host/clock-trust.ts';
import type { NodeProblems, Shortage } from './host/conditions.ts';
import { systemFiles } from './host/host-files.ts';
import { type Host, NodeMonitor, type NodeMonitorOptions, systemHost } from './host/node-monitor.ts';
import { parseReservation, parseThresholds } from './host/thresholds.ts';
import { type ImageCare, openImageCare } from './images/image-care.ts';
import { type LayersWhenNeeded, layersWhenNeeded } from './layers/layers-when-needed.ts';
import { createNeighbourhood } from './layers/neighbourhood.ts';
import type { Credentials } from './link/dialer.ts';
import type { Link } from './link/link.ts';
import { type Sync, startSync } from './link/sync.ts';
import { findApiServer } from './pods/api-server.ts';
import { PodRuntime, type PodRuntimeOptions } from './pods/pod-runtime.ts';
import { openRuntimes, type Runtimes } from './runtimes.ts';
import type { UsageReader } from './stats/read-usage.ts';
import { openUsageReader, serveUsage } from './stats/serve-usage.ts';
import { ownEndpoints } from './streams/own-endpoints.ts';
import { createPodDialer } from './streams/pod-dialer.ts';
import { serveStreams } from './streams/serve-streams.ts';
import { openPodTokens } from './volumes/pod-tokens.ts';
import { openPodVolumes } from './volumes/pod-volumes.ts';
import { reclaimVolumes } from './volumes/reclaim.ts';

export interface AgentDependencies {
  clock: Clock;
  random: Random;
  log: Logger;
  /** As shown by `kubectl get nodes`, e.g. `v0.1.0`. */
  version: string;
  /** Who this device is: from disk when it has joined before, which must need no network; else by joining. */
  identify(signal: AbortSignal): Promise<AgentIdentity>;
  /** Gives up starting. */
  signal?: AbortSignal;
  /** The machine and its runtimes; this one unless given. */
  host?: Host;
  driverDefinitions?: readonly DriverDefinition[];
  /** Where the journal is kept. */
  disk?: Disk;
}

export interface AgentIdentity {
  cluster: string;
  /** For TLS with other devices of the cluster; absent: there are none. */
  credentials?: Credentials;
  /** Not yet started. `connectionsBefore` is above every connection number of this device's earlier lives. */
  openLink(options: { connectionsBefore: number }): Link;
}

export interface Agent extends AsyncDisposable {
  readonly pods: PodRuntime;
  readonly link: Link;
}

/** Enough to stop, remove or evict some hundred pods while the disk is full. */
const journalReserveBytes = 64 * 1024;

/** Control connections that one start of the agent may make before it would run into the next one's numbers. */
const connectionsPerBoot = 1_000_000;

/**
 * Starts an agent and resolves once its pods are being taken care of, connected or not. Disposing leaves the workloads
 * running, to be adopted by the next start, unless the configuration says `stopWorkloads`.
 *
 * Order: the folder, the journal, who we are, what to run; then the pods, and only then the network. Rejects with an
 * AgentError, or what `identify` rejects with.
 */
export async function startAgent(input: AgentConfigInput, dependencies: AgentDependencies): Promise<Agent> {
  const config = parseAgentConfig(input);
  const { clock, random, log, version } = dependencies;
  const signal = dependencies.signal ?? new AbortController().signal;
  await using stack = new AsyncDisposableStack();
  const { dataDir } = config;
  stack.use(await claimDataDir(dataDir));
  const { disk } = dependencies;
  const file = { path: join(dataDir, 'journal'), log, disk, reserveBytes: journalReserveBytes };
  const journal = stack.use(watchJournal(await openJournal(file), { clock, log }));
  const identity = await dependencies.identify(signal);
  const desired = openDesiredSet({ journal, log, random });
  const announce = (port: number | undefined): void => monitor.setLayersPort(port);
  const layers = stack.use(openOwnLayers(config, { ...dependencies, ...identity, desired, announce }));
  const facilities = { ...dependencies, cluster: identity.cluster, journal, layers: layers.open };
  const runtimes = stack.use(await openRuntimes({ ...config, ...facilities }));
  const boots = await countBoot(journal, log);
  const bootId = currentBootId();
  const link = stack.use(identity.openLink({ connectionsBefore: boots.boot * connectionsPerBoot }));
  const facts = { clock, random, log, journal, desired, bootId };
  const sync: Sync = stack.use(
    startSync({
      ...facts,
      link,
      boots,
      agentVersion: version,
      clockTrusted: () => clockTrusted(clock.now()),
      load: (): number => monitor.load,
    }),
  );
  const { outbox } = sync;
  const healthFiles = deviceFiles(config.hostRoot);
  const devices = stack.use(new DeviceMonitor({ files: healthFiles, own: config.devices, clock, log }));
  await devices.start();
  const node = {
    ...config,
    ...facts,
    outbox,
    version,
    devices,
    healthFiles,
    host: dependencies.host ?? systemHost(systemFiles, hostname()),
  };
  const monitor = stack.adopt(createMonitor(node, runtimes), (started) => started.stop());
  await monitor.start();
  if (runtimes.drivers.some(({ driver }) => driver.usesLayers)) layers.share();
  const { files } = node.host;
  journal.onTurn(() => monitor.refresh());
  const reader = await openUsageReader(files);
  const parts = { ...node, link, dataDir, monitor, reader, drivers: runtimes.drivers };
  const { pods, images } = await startPods(parts, stack);
  journal.onTurn(() => {
    if (journal.problem) return;
    pods.retryWrites();
    sync.greet();
  });
  runtimes.onFound(({ driver }) => {
    pods.useRuntimes(runtimes.drivers);
    void images.use(driver).catch((error: unknown) => log.warn('images are not looked after', { error }));
    monitor.refresh();
  });
  const own = { nodeName: config.name, dataDir };
  answerServer({ desired, link, log, clock, pods, monitor, images, layers, files, reader, ...own }, stack);
  link.start();
  log.info('agent runs', { node: config.name, cluster: identity.cluster, bootId, boot: boots.boot });
  const started = stack.move();
  return { pods, link, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

interface LayersParts extends Pick<AgentDependencies, 'clock' | 'random' | 'log'> {
  credentials?: Credentials;
  desired: DesiredSet;
  announce: (port: number | undefined) => void;
}

function openOwnLayers(
  { name, dataDir, layersBytesMax, layersPort }: AgentConfig,
  { clock, random, log, credentials, desired, announce }: LayersParts,
): LayersWhenNeeded {
  const neighbourhood = createNeighbourhood({
    name,
    clock,
    random,
    log,
    desired,
    announce,
    port: layersPort,
    credentials: layersBytesMax > 0 ? credentials : undefined,
    clockTrusted: () => clockTrusted(clock.now()),
  });
  return layersWhenNeeded({
    clock,
    random,
    log,
    environment: process.env,
    folder: join(dataDir, 'layers'),
    bytesMax: layersBytesMax,
    neighbourhood,
  });
}

interface AnswerParts {
  desired: DesiredSet;
  link: Link;
  log: Logger;
  clock: Clock;
  pods: PodRuntime;
  monitor: NodeMonitor;
  images: ImageCare;
  layers: LayersWhenNeeded;
  files: Host['files'];
  reader: UsageReader;
  nodeName: string;
  dataDir: string;
}

/** Serves what the server asks for (streams into pods, the device's own paths, what is used) and keeps the node fit. */
function answerServer(
  { pods, monitor, desired, images, layers, ...base }: AnswerParts,
  stack: AsyncDisposableStack,
): void {
  const { clock } = base;
  const running = () => pods.running();
  const dialer = stack.use(createPodDialer({ clock }));
  const endpoints = ownEndpoints(desired);
  stack.use(serveStreams({ ...base, find: (target) => pods.find(target), endpoints, running, dialer }));
  stack.use(serveUsage({ ...base, endpoints, running }));
  const eviction = {
    running,
    evictable: () => pods.evictable(),
    evict: (chosen: { uid: string; message: string }) => pods.evict(chosen),
  };
  stack.use(watchStorageLimits({ ...base, ...eviction }));
  const evictor = new Evictor({ ...base, ...eviction });
  stack.use(
    monitor.onShortage((shortages) => {
      void relieveDisk(shortages, { layers, images }).then((relieved) => {
        if (!relieved) void evictor.relieve(shortages);
      });
    }),
  );
}

/** Layers that are kept for others, and images that nobody uses, go before pods do. */
async function relieveDisk(
  shortages: readonly Shortage[],
  { layers, images }: { layers: { relieve(): Promise<boolean> }; images: ImageCare },
): Promise<boolean> {
  const [filesystem] = shortages[0]?.signal.split('.') ?? [];
  if (filesystem !== 'nodefs' && filesystem !== 'imagefs') return false;
  if (filesystem === 'nodefs' && (await layers.relieve().catch(() => false))) return true;
  return images.relieve(filesystem).catch(() => false);
}

interface PodsParts extends Omit<PodRuntimeOptions, 'node' | 'volumes' | 'devices' | 'images'> {
  devices: DeviceMonitor;
  healthFiles: DeviceFiles;
  name: string;
  bootId: string;
  dataDir: string;
  stopWorkloads: boolean;
  server: { host: string };
  podPidsMax: number;
  allowedUnsafeSysctls: readonly string[];
  host: Host;
  link: Link;
  random: Random;
  monitor: NodeMonitor;
  reader: UsageReader;
  imageGcHighThreshold: number;
  imageGcLowThreshold: number;
}

/** The pods with their volumes; in the end left running, unless they shall stop too. */
async function startPods(
  parts: PodsParts,
  stack: AsyncDisposableStack,
): Promise<{ pods: PodRuntime; images: ImageCare }> {
  const { name, bootId, dataDir, log, desired, host, monitor, reader, stopWorkloads, podPidsMax } = parts;
  const tokens = stack.use(openPodTokens({ ...parts, onChange: (uid) => pods.refresh(uid) }));
  const allocatable = () => monitor.allocatable;
  const find = (key: string): object | undefined => desired.entries.get(key)?.object;
  const digestOf = (key: string): string | undefined => desired.entries.get(key)?.digest;
  const labels = () => monitor.labels;
  const about = { name, dataDir, labels, allocatable, find, tokens };
  const podDevices = createPodDevices({
    nodeName: name,
    monitor: parts.devices,
    files: parts.healthFiles,
    desired,
  });
  const counted = () =>
    new Map(
      [...countedDevices(parts.devices.devices)].map(([resource, found]) => [
        resource,
        found.map(keyOfDevice),
      ]),
    );
  const volumes = await openPodVolumes({ dataDir, log, digestOf, node: about });
  stack.use(reclaimVolumes({ ...parts }));
  const apiServer = findApiServer({ ...parts, tokens, find });
  const memoryInUse = async (pid: number) => (await reader.group(pid))?.workingSetBytes;
  const allowedSysctls = parts.allowedUnsafeSysctls;
  const own = { name, hostname: host.hostname, bootId, podPidsMax, apiServer, memoryInUse, allowedSysctls };
  const node = {
    ...own,
    allocatable,
    hostIps: () => monitor.ips,
    pressures: () => monitor.pressures,
    counted,
  };
  const images = stack.use(
    await openImageCare({
      ...parts,
      files: host.files,
      reportImages: (found) => monitor.setImages(found),
      wake: (uid) => pods.refresh(uid),
      onImported: () => pods.retryImages(),
    }),
  );
  const awaitsImagesUntilMs = (pod: Pod) => images.heldUntilMs(pod);
  const pods: PodRuntime = new PodRuntime({
    ...parts,
    volumes,
    devices: podDevices,
    images: images.fetching,
    awaitsImagesUntilMs,
    node,
  });
  stack.use(parts.devices.onChange(() => pods.devicesChanged()));
  pods.start();
  stack.defer(() => pods.stop({ workloads: stopWorkloads }));
  return { pods, images };
}

function createMonitor(
  node: Omit<
    NodeMonitorOptions,
    | 'runtimes'
    | 'runtimeVersion'
    | 'imageRoot'
    | 'problems'
    | 'reserved'
    | 'thresholds'
    | 'pressureTransitionMs'
  > &
    Pick<AgentConfig, 'reserve' | 'evictionHard' | 'evictionPressureTransitionSeconds'> & {
      journal: WatchedJournal;
    },
  runtimes: Runtimes,
): NodeMonitor {
  const { journal, dataDir } = node;
  return new NodeMonitor({
    ...node,
    reserved: parseReservation(node.reserve),
    thresholds: parseThresholds(node.evictionHard),
    runtimes: () => runtimes.drivers.map(({ driver }) => driver.name),
    runtimeVersion: () => runtimes.drivers[0]?.probe.version ?? '',
    pressureTransitionMs: node.evictionPressureTransitionSeconds * 1000,
    imageRoot: () => runtimes.imageRoot(),
    problems: () => ({
      runtime: runtimes.problem,
      dataDisk: diskProblem(journal, dataDir),
      limits: runtimes.unenforced,
    }),
  });
}

function diskProblem({ problem }: WatchedJournal, dataDir: string): NodeProblems['dataDisk'] {
  if (!problem) return undefined;
  const message = `the agent cannot write to ${dataDir}: ${problem.message}; what runs goes on and nothing new is begun: make room there, or replace the disk`;
  return { reason: problem.code === 'DiskFull' ? 'DiskFull' : 'DiskRefusesWrites', message };
}
