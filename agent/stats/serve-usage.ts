import { readdirSync } from 'node:fs';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Message } from '../../protocol/topics/define-topic.ts';
import { measure, usage } from '../../protocol/topics/usage.ts';
import type { HostFiles } from '../host/host-files.ts';
import type { Link } from '../link/link.ts';
import { createUsageReader } from './read-usage.ts';
import { createUsageMeter, type Figures, type Measurement, type RunningContainer } from './usage-meter.ts';

export interface ServeUsageOptions {
  link: Link;
  files: Pick<HostFiles, 'read'>;
  clock: Clock;
  log: Logger;
  running: () => readonly RunningContainer[];
}

/** Of every architecture that boards in question use. */
const pageBytes = 4096;

/** Answers the server's questions for usage. */
export async function serveUsage({
  link,
  files,
  clock,
  log,
  running,
}: ServeUsageOptions): Promise<Disposable> {
  const reader = await createUsageReader({ files, processIds, pageBytes });
  const meter = createUsageMeter({ reader, clock, running });
  return link.on(measure, async ({ id, pods }) => {
    try {
      link.send(usage, usageMessage(await meter.measure(), { id, pods, nowMs: clock.monotonic() }));
    } catch (error) {
      log.warn('usage not measured', { error });
    }
  });
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
    node: pair(node),
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
