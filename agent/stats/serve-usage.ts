import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { measure, usage } from '../../protocol/topics/usage.ts';
import type { HostFiles } from '../host/host-files.ts';
import type { Link } from '../link/link.ts';
import type { NodeEndpoints } from '../streams/node-endpoints.ts';
import { createUsageReader, type UsageReader } from './read-usage.ts';
import { createUsageMeter, type Figures, type Measurement, type RunningContainer } from './usage-meter.ts';

export interface ServeUsageOptions {
  link: Link;
  files: HostFiles;
  clock: Clock;
  log: Logger;
  nodeName: string;
  dataDir: string;
  endpoints: NodeEndpoints;
  reader: UsageReader;
  running: () => readonly RunningContainer[];
}

/** Answers the server's questions for usage, and who asks for them in a kubelet's forms. */
export function serveUsage(options: ServeUsageOptions): Disposable {
  const { link, clock, log, endpoints } = options;
  const meter = createUsageMeter(options);
  const report = { ...options, meter, wearFiles: { ...options.files, names: namesIn } };
  const text = (write: 'resourceMetrics' | 'cadvisorMetrics' | 'agentMetrics') => async () => ({
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    body: await (await import('./node-report.ts'))[write](report),
  });
  endpoints.register('/metrics', text('agentMetrics'));
  endpoints.register('/metrics/resource', text('resourceMetrics'));
  endpoints.register('/metrics/cadvisor', text('cadvisorMetrics'));
  endpoints.register('/stats/summary', async () => {
    const { statsSummary } = await import('./node-report.ts');
    return { contentType: 'application/json', body: JSON.stringify(await statsSummary(report)) };
  });
  return link.on(measure, async ({ id, pods }) => {
    try {
      link.send(usage, usageMessage(await meter.measure(), { id, pods, nowMs: clock.monotonic() }));
    } catch (error) {
      log.warn('usage not measured', { error });
    }
  });
}

/** Reads this machine's counters. */
export function openUsageReader(files: Pick<HostFiles, 'read'>): Promise<UsageReader> {
  return createUsageReader({ files, processIds, pageBytes });
}

/** Of every architecture that boards in question use. */
const pageBytes = 4096;

async function namesIn(path: string): Promise<readonly string[]> {
  return readdir(path).catch(() => []);
}

export function usageMessage(
  { windowMs, measuredAtMs, node, pods }: Measurement,
  { id, pods: wanted, nowMs }: { id: string; pods?: readonly string[] | undefined; nowMs: number },
): Message<typeof usage> {
  const chosen = wanted ? new Set(wanted) : undefined;
  const told = [...pods].filter(([uid]) => chosen === undefined || chosen.has(uid));
  return {
    id,
    windowMs: Math.round(windowMs),
    ageMs: Math.max(0, Math.round(nowMs - measuredAtMs)),
    ...(node ? { node: pair(node) } : {}),
    pods: Object.fromEntries(
      told.map(([uid, containers]) => [
        uid,
        Object.fromEntries([...containers].map(([name, figures]) => [name, pair(figures)])),
      ]),
    ),
  };
}

function pair({ cpuNanocores, workingSetBytes }: Figures): [number, number] {
  return [cpuNanocores, workingSetBytes];
}

function processIds(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}
