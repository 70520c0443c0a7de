import type { Clock } from '../../lib/clock.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import type { HostFiles } from '../host/host-files.ts';
import { readHostLoad } from '../host/host-load.ts';
import { readWear, type WearFiles } from './flash-wear.ts';
import { metricsText, type Sample } from './metrics-text.ts';
import type { Figures, Measurement, RunningContainer, UsageMeter } from './usage-meter.ts';

/** What the node tells of its use in the forms of a kubelet. Loaded when somebody asks. */
export interface NodeReportOptions {
  nodeName: string;
  dataDir: string;
  clock: Clock;
  files: HostFiles;
  wearFiles: WearFiles;
  meter: UsageMeter;
  running: () => readonly RunningContainer[];
}

/** `/stats/summary`. */
export async function statsSummary(options: NodeReportOptions): Promise<object> {
  const { nodeName, clock, files, dataDir, meter, running } = options;
  const [measured, load, pressure] = await Promise.all([
    meter.measure(),
    readHostLoad(files, dataDir),
    readPressure(files),
  ]);
  const time = timestamp(clock.now() - (clock.monotonic() - measured.measuredAtMs));
  const usage = (figures: Figures) => ({
    cpu: { time, usageNanoCores: figures.cpuNanocores, usageCoreNanoSeconds: figures.cpuNanos },
    memory: { time, workingSetBytes: figures.workingSetBytes },
  });
  const node: Partial<ReturnType<typeof usage>> = measured.node ? usage(measured.node) : {};
  const { disk } = load;
  const pods = await Promise.all(
    [
      ...Map.groupBy(measuredContainers(measured, running()), ({ container }) => container.podUid).values(),
    ].map((containers) => podSummary(containers, { measured, time, usage, files })),
  );
  return {
    node: {
      nodeName,
      ...(node.cpu ? { cpu: { ...node.cpu, ...(pressure.cpu ? { psi: pressure.cpu } : {}) } } : {}),
      ...(node.memory
        ? {
            memory: {
              ...node.memory,
              availableBytes: load.memoryAvailableBytes,
              ...(pressure.memory ? { psi: pressure.memory } : {}),
            },
          }
        : {}),
      ...(pressure.io ? { io: { time, psi: pressure.io } } : {}),
      ...(disk
        ? {
            fs: {
              time,
              availableBytes: disk.availableBytes,
              capacityBytes: disk.totalBytes,
              inodesFree: disk.freeInodes,
              inodes: disk.totalInodes,
            },
          }
        : {}),
      ...(load.pidsUsed === undefined
        ? {}
        : { rlimit: { time, maxpid: load.pidsMax, curproc: load.pidsUsed } }),
    },
    pods,
  };
}

interface MeasuredContainer {
  container: RunningContainer;
  figures: Figures;
}

function measuredContainers(
  { pods }: Measurement,
  running: readonly RunningContainer[],
): MeasuredContainer[] {
  return running.flatMap((container) => {
    const figures = pods.get(container.podUid)?.get(container.container);
    return figures ? [{ container, figures }] : [];
  });
}

async function podSummary(
  containers: readonly MeasuredContainer[],
  {
    measured,
    time,
    usage,
    files,
  }: { measured: Measurement; time: string; usage: (figures: Figures) => object; files: HostFiles },
): Promise<object> {
  const [first] = containers;
  const { podUid = '', pod = '', namespace = '', pid = 0 } = first?.container ?? {};
  const interfaces = await readNetwork(files, pid);
  return {
    podRef: { name: pod, namespace, uid: podUid },
    containers: containers.map(({ container, figures }) => ({
      name: container.container,
      startTime: timestamp(container.startedAtMs),
      ...usage(figures),
    })),
    ...usage(measured.wholePods.get(podUid) ?? totalOf(containers)),
    ...(interfaces ? { network: { time, ...interfaces[0], interfaces } } : {}),
  };
}

function totalOf(containers: readonly MeasuredContainer[]): Figures {
  const total = { cpuNanocores: 0, cpuNanos: 0, workingSetBytes: 0 };
  for (const { figures } of containers) {
    total.cpuNanocores += figures.cpuNanocores;
    total.cpuNanos += figures.cpuNanos;
    total.workingSetBytes += figures.workingSetBytes;
  }
  return total;
}

interface NetworkInterface {
  name: string;
  rxBytes: number;
  rxErrors: number;
  txBytes: number;
  txErrors: number;
}

/** Of the network that the process sees, without loopback; undefined where that cannot be read. */
export async function readNetwork(
  files: Pick<HostFiles, 'read'>,
  pid: number,
): Promise<NetworkInterface[] | undefined> {
  const text = await files.read(`/proc/${pid}/net/dev`);
  return text?.split('\n').flatMap((line) => {
    const [, name, rest] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || name === 'lo') return [];
    const [rxBytes = 0, , rxErrors = 0, , , , , , txBytes = 0, , txErrors = 0] = (rest ?? '')
      .split(/\s+/)
      .map(Number);
    return [{ name, rxBytes, rxErrors, txBytes, txErrors }];
  });
}

interface Pressure {
  total: number;
  avg10: number;
  avg60: number;
  avg300: number;
}

type ResourcePressure = Partial<Record<'some' | 'full', Pressure>>;

/** From /proc/pressure, where the kernel counts it. `total` is in microseconds there and in nanoseconds here. */
async function readPressure(
  files: Pick<HostFiles, 'read'>,
): Promise<Partial<Record<'cpu' | 'memory' | 'io', ResourcePressure>>> {
  const found: Partial<Record<'cpu' | 'memory' | 'io', ResourcePressure>> = {};
  for (const resource of ['cpu', 'memory', 'io'] as const) {
    const text = await files.read(`/proc/pressure/${resource}`);
    if (text === undefined) continue;
    const lines: ResourcePressure = {};
    for (const kind of ['some', 'full'] as const) {
      const line = new RegExp(`^${kind} avg10=(\\S+) avg60=(\\S+) avg300=(\\S+) total=(\\d+)`, 'm').exec(
        text,
      );
      if (!line) continue;
      const [avg10 = 0, avg60 = 0, avg300 = 0, total = 0] = line.slice(1).map(Number);
      lines[kind] = { total: total * 1000, avg10, avg60, avg300 };
    }
    found[resource] = lines;
  }
  return found;
}

/** `/metrics/resource`: what metrics-server scrapes of a kubelet. */
export async function resourceMetrics({ meter, running }: NodeReportOptions): Promise<string> {
  const measured = await meter.measure();
  const containers = measuredContainers(measured, running());
  const samples: Sample[] = [{ name: 'resource_scrape_error', labels: {}, value: measured.node ? 0 : 1 }];
  if (measured.node)
    samples.push(
      { name: 'node_cpu_usage_seconds_total', labels: {}, value: measured.node.cpuNanos / 1e9 },
      { name: 'node_memory_working_set_bytes', labels: {}, value: measured.node.workingSetBytes },
    );
  for (const { container, figures } of containers) {
    const labels = { container: container.container, namespace: container.namespace, pod: container.pod };
    samples.push(
      { name: 'container_cpu_usage_seconds_total', labels, value: figures.cpuNanos / 1e9 },
      { name: 'container_memory_working_set_bytes', labels, value: figures.workingSetBytes },
      { name: 'container_start_time_seconds', labels, value: container.startedAtMs / 1000 },
    );
  }
  for (const own of Map.groupBy(containers, ({ container }) => container.podUid).values()) {
    const { namespace = '', pod = '', podUid = '' } = own[0]?.container ?? {};
    const total = measured.wholePods.get(podUid) ?? totalOf(own);
    samples.push(
      { name: 'pod_cpu_usage_seconds_total', labels: { namespace, pod }, value: total.cpuNanos / 1e9 },
      { name: 'pod_memory_working_set_bytes', labels: { namespace, pod }, value: total.workingSetBytes },
    );
  }
  return metricsText(samples);
}

/** `/metrics/cadvisor`: of what cAdvisor tells the part that dashboards ask for first. */
export async function cadvisorMetrics({ meter, running, files }: NodeReportOptions): Promise<string> {
  const measured = await meter.measure();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const { container, figures } of measuredContainers(measured, running())) {
    const { namespace, pod, podUid } = container;
    const labels = { container: container.container, namespace, pod };
    samples.push(
      { name: 'container_cpu_usage_seconds_total', labels, value: figures.cpuNanos / 1e9 },
      { name: 'container_memory_working_set_bytes', labels, value: figures.workingSetBytes },
      { name: 'container_start_time_seconds', labels, value: container.startedAtMs / 1000 },
    );
    if (seen.has(podUid)) continue;
    seen.add(podUid);
    for (const { name, rxBytes, txBytes } of (await readNetwork(files, container.pid)) ?? []) {
      const of = { interface: name, namespace, pod };
      samples.push(
        { name: 'container_network_receive_bytes_total', labels: of, value: rxBytes },
        { name: 'container_network_transmit_bytes_total', labels: of, value: txBytes },
      );
    }
  }
  return metricsText(samples);
}

/** `/metrics`: of the agent and its disks. */
export async function agentMetrics({ wearFiles }: NodeReportOptions): Promise<string> {
  const { agentWrittenBytes, disks } = await readWear(wearFiles);
  const samples: Sample[] = [
    ...(agentWrittenBytes === undefined
      ? []
      : [{ name: 'flotilla_agent_written_bytes_total', labels: {}, value: agentWrittenBytes }]),
    { name: 'process_resident_memory_bytes', labels: {}, value: process.memoryUsage.rss() },
  ];
  for (const { device, writtenBytes, lifeUsed } of disks) {
    samples.push({ name: 'flotilla_disk_written_bytes_total', labels: { device }, value: writtenBytes });
    if (lifeUsed !== undefined)
      samples.push({ name: 'flotilla_disk_life_used_ratio', labels: { device }, value: lifeUsed });
  }
  return metricsText(samples);
}
