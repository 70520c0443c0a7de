import { join } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import type { Shortage } from '../host/conditions.ts';
import type { HostFiles } from '../host/host-files.ts';
import { diskUse, writableLayer } from '../stats/disk-use.ts';
import type { UsageReader } from '../stats/read-usage.ts';
import type { RunningContainer } from '../stats/usage-meter.ts';
import { type Candidate, chooseVictim, type Eviction } from './choose-victim.ts';

export interface EvictorOptions {
  dataDir: string;
  clock: Clock;
  log: Logger;
  files: Pick<HostFiles, 'read'>;
  reader: UsageReader;
  /** Pods that have begun and not ended. */
  evictable: () => readonly Readonly<Pod>[];
  running: () => readonly RunningContainer[];
  /** Ends the pod for good. */
  evict: (eviction: Eviction) => void;
}

/** The next pod goes when this one is gone, or takes longer than that. */
const patienceMs = 30_000;

/** Ends one pod after the other while something of the node is short. */
export class Evictor {
  readonly #options: EvictorOptions;
  #looking = false;
  #leaving: { uid: string; untilMs: number } | undefined;

  constructor(options: EvictorOptions) {
    this.#options = options;
  }

  /** What is short now; asked as often as the node is looked at. */
  async relieve(shortages: readonly Shortage[]): Promise<void> {
    const { clock, log, evict } = this.#options;
    const [shortage] = shortages;
    if (!shortage || this.#looking || this.#waits()) return;
    this.#looking = true;
    try {
      const candidates = await this.#candidates(shortage);
      // On a disk of the engine's own, who has nothing there would give nothing back.
      const helpful = shortage.signal.startsWith('imagefs')
        ? candidates.filter(({ usage }) => usage > 0)
        : candidates;
      const victim = chooseVictim(shortage, helpful);
      if (!victim)
        return log.warn('the node is short of something and no pod can be evicted', { ...shortage });
      log.warn('evicting a pod', { ...victim });
      this.#leaving = { uid: victim.uid, untilMs: clock.monotonic() + patienceMs };
      evict(victim);
    } catch (error) {
      log.error('no pod could be chosen for eviction', { error });
    } finally {
      this.#looking = false;
    }
  }

  #waits(): boolean {
    const { clock, evictable } = this.#options;
    if (!this.#leaving || clock.monotonic() >= this.#leaving.untilMs) return false;
    const { uid } = this.#leaving;
    return evictable().some(({ metadata }) => metadata?.uid === uid);
  }

  async #candidates({ signal }: Shortage): Promise<Candidate[]> {
    const { evictable, running } = this.#options;
    const byPod = Map.groupBy(running(), ({ podUid }) => podUid);
    const candidates: Candidate[] = [];
    for (const pod of evictable()) {
      const own = byPod.get(pod.metadata?.uid ?? '') ?? [];
      const containers = new Map<string, number>();
      let usage = 0;
      for (const container of own) {
        const used = await this.#used(signal, container);
        if (used === undefined) continue;
        containers.set(container.container, used);
        usage += used;
      }
      if (signal.startsWith('nodefs')) usage += await this.#usedByFolders(signal, pod);
      candidates.push({ pod, usage, containers });
    }
    return candidates;
  }

  async #used(signal: Shortage['signal'], { pid }: RunningContainer): Promise<number | undefined> {
    const { reader, files } = this.#options;
    switch (signal) {
      case 'memory.available':
        return ((await reader.group(pid)) ?? (await reader.tree(pid)))?.workingSetBytes;
      case 'pid.available':
        return reader.processes(pid);
      case 'nodefs.available':
      case 'nodefs.inodesFree':
      case 'imagefs.available':
      case 'imagefs.inodesFree': {
        const layer = await writableLayer(pid, files);
        return layer === undefined ? undefined : amountIn(signal, [layer]);
      }
    }
  }

  /** Logs, work folders and volumes on disk. */
  #usedByFolders(signal: Shortage['signal'], { metadata }: Readonly<Pod>): Promise<number> {
    const { dataDir } = this.#options;
    const uid = metadata?.uid ?? '';
    return amountIn(signal, [join(dataDir, 'process', uid), join(dataDir, 'volumes', uid)]);
  }
}

async function amountIn(signal: Shortage['signal'], folders: readonly string[]): Promise<number> {
  const { bytes, files } = await diskUse(folders);
  return signal.endsWith('.available') ? bytes : files;
}
