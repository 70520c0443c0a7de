import { type Clock, sleep } from '../../lib/clock.ts';
import type { Counters, UsageReader } from './read-usage.ts';

/**
 * How much CPU and memory the node and its containers use now. It looks only when asked, keeps one earlier look to
 * take the difference with, and nothing on disk.
 */
export interface UsageMeter {
  /** At most one look is under way; who asks meanwhile gets the same. */
  measure(): Promise<Measurement>;
}

export interface Figures {
  cpuNanocores: number;
  /** Counted since it began. */
  cpuNanos: number;
  workingSetBytes: number;
}

export interface Measurement {
  windowMs: number;
  /** Monotonic, the end of the window. */
  measuredAtMs: number;
  /** Undefined where the kernel does not let that be read. */
  node: Figures | undefined;
  /** By uid, then by container. */
  pods: ReadonlyMap<string, ReadonlyMap<string, Figures>>;
  /** By uid, of pods with a control group of their own: what beside the containers belongs to it is counted, too. */
  wholePods: ReadonlyMap<string, Figures>;
}

/** A container that runs now. */
export interface RunningContainer {
  podUid: string;
  namespace: string;
  pod: string;
  container: string;
  attempt: number;
  pid: number;
  /** Since 1970. */
  startedAtMs: number;
}

export interface UsageMeterOptions {
  reader: UsageReader;
  clock: Clock;
  running: () => readonly RunningContainer[];
}

/** A measurement this young is given again. */
export const reusedForMs = 5_000;
/** An earlier look is too old to average over: what was asked is what is used now. */
const windowMsMax = 120_000;
/** Over less than this a start looks like a storm. */
const lifeMsMin = 1_000;
/** What the first asker waits for. */
const firstWindowMs = 1_000;

interface Look {
  atMs: number;
  wallMs: number;
  node: Counters | undefined;
  containers: ReadonlyMap<string, { container: RunningContainer; counters: Counters }>;
  /** By uid. */
  wholePods: ReadonlyMap<string, Counters>;
}

export function createUsageMeter({ reader, clock, running }: UsageMeterOptions): UsageMeter {
  let before: Look | undefined;
  let latest: Measurement | undefined;
  let underWay: Promise<Measurement> | undefined;

  async function measureNow(): Promise<Measurement> {
    if (before === undefined || clock.monotonic() - before.atMs > windowMsMax) {
      before = await look({ reader, clock, running });
      await sleep(clock, firstWindowMs);
    }
    const now = await look({ reader, clock, running });
    latest = difference(before, now);
    before = now;
    return latest;
  }

  return {
    async measure() {
      if (latest && clock.monotonic() - latest.measuredAtMs < reusedForMs) return latest;
      underWay ??= measureNow().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
  };
}

async function look({ reader, clock, running }: UsageMeterOptions): Promise<Look> {
  const containers = new Map<string, { container: RunningContainer; counters: Counters }>();
  const wholePods = new Map<string, Counters>();
  for (const container of running()) {
    const { pid, podUid } = container;
    const whole = wholePods.has(podUid) ? undefined : await reader.pod(pid, podUid);
    if (whole) wholePods.set(podUid, whole);
    const counters = (await reader.group(container.pid)) ?? (await reader.tree(container.pid));
    if (counters) containers.set(keyOf(container), { container, counters });
  }
  return { atMs: clock.monotonic(), wallMs: clock.now(), node: await reader.host(), containers, wholePods };
}

/**
 * Of a container that began within the window, all it used it used since then. One that was overlooked before, or
 * whose counter fell, is left out this time.
 */
function difference(before: Look, now: Look): Measurement {
  const windowMs = Math.max(1, now.atMs - before.atMs);
  const pods = new Map<string, Map<string, Figures>>();
  for (const [key, { container, counters }] of now.containers) {
    const known = before.containers.get(key);
    const beganWithin = container.startedAtMs >= before.wallMs;
    if (!known && !beganWithin) continue;
    const lifeMs = Math.max(lifeMsMin, now.wallMs - container.startedAtMs);
    const overMs = known ? windowMs : Math.min(windowMs, lifeMs);
    const figures = rate(known?.counters, counters, overMs);
    if (!figures) continue;
    const pod = pods.get(container.podUid) ?? new Map<string, Figures>();
    pods.set(container.podUid, pod.set(container.container, figures));
  }
  const wholePods = new Map<string, Figures>();
  for (const uid of pods.keys()) {
    const [known, counters] = [before.wholePods.get(uid), now.wholePods.get(uid)];
    const figures = known && counters && rate(known, counters, windowMs);
    if (figures) wholePods.set(uid, figures);
  }
  const idle = now.node && { ...now.node, cpuNanocores: 0 };
  return {
    windowMs,
    measuredAtMs: now.atMs,
    node: before.node && now.node ? (rate(before.node, now.node, windowMs) ?? idle) : idle,
    pods,
    wholePods,
  };
}

function rate(before: Counters | undefined, now: Counters, windowMs: number): Figures | undefined {
  const nanos = now.cpuNanos - (before?.cpuNanos ?? 0);
  if (nanos < 0) return undefined;
  return { ...now, cpuNanocores: Math.round((nanos * 1000) / windowMs) };
}

function keyOf({ podUid, container, attempt }: RunningContainer): string {
  return `${podUid}/${container}/${attempt}`;
}
