import { join } from 'node:path';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { podLimits } from '../../protocol/kinds/pod-spec/resources.ts';
import { quantityValue } from '../../protocol/quantity.ts';
import type { HostFiles } from '../host/host-files.ts';
import { diskUse, writableLayer } from '../stats/disk-use.ts';
import type { RunningContainer } from '../stats/usage-meter.ts';
import type { Eviction } from './choose-victim.ts';

/** What a pod has on disk, in bytes. */
export interface StorageUse {
  /** By name, of volumes in the pod's own folder. */
  volumes: ReadonlyMap<string, number>;
  /** By name: the changes to its image, and its logs. */
  containers: ReadonlyMap<string, number>;
  total: number;
}

const storage = 'ephemeral-storage';

/** Why the pod has to go, in kubelet's words; undefined while it keeps within its limits. Pure. */
export function storageBreach({ spec }: Readonly<Pod>, use: StorageUse): string | undefined {
  if (!spec) return undefined;
  for (const { name, sizeLimit } of limitedVolumes(spec.volumes))
    if ((use.volumes.get(name) ?? 0) > quantityValue(sizeLimit))
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${sizeLimit}". `;
  const total = podLimits(spec)[storage];
  if (total !== undefined && use.total > quantityValue(total))
    return `Pod ephemeral local storage usage exceeds the total limit of containers ${total}. `;
  for (const { name, resources } of [...(spec.initContainers ?? []), ...spec.containers]) {
    const limit = resources?.limits?.[storage];
    if (limit !== undefined && (use.containers.get(name) ?? 0) > quantityValue(limit))
      return `Container ${name} exceeded its local ephemeral storage limit "${limit}". `;
  }
  return undefined;
}

/** Whether the pod has limits that nobody but this agent enforces. */
export function limitsStorage({ spec }: Readonly<Pod>): boolean {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return (
    limitedVolumes(spec?.volumes).length > 0 ||
    containers.some(({ resources }) => resources?.limits?.[storage] !== undefined)
  );
}

function limitedVolumes(volumes: NonNullable<Pod['spec']>['volumes'] = []) {
  return volumes.flatMap(({ name, emptyDir }) => {
    const { medium, sizeLimit } = emptyDir ?? {};
    // One in memory is a tmpfs of that size.
    return sizeLimit !== undefined && medium !== 'Memory' ? [{ name, sizeLimit }] : [];
  });
}

export interface StorageWatchOptions {
  dataDir: string;
  clock: Clock;
  log: Logger;
  files: Pick<HostFiles, 'read'>;
  /** Pods that have begun and not ended. */
  evictable: () => readonly Readonly<Pod>[];
  running: () => readonly RunningContainer[];
  /** Ends the pod for good. */
  evict: (eviction: Pick<Eviction, 'uid' | 'message'>) => void;
}

const intervalMs = 15_000;

/** Now and then looks at what pods with limits have on disk, and at nobody else's. */
export function watchStorageLimits(options: StorageWatchOptions): Disposable {
  const { clock, log } = options;
  let timer: Timer | undefined;
  let stopped = false;
  const schedule = () => {
    if (!stopped) timer = clock.after(intervalMs, () => void look(), { unref: true });
  };
  const look = () =>
    enforceStorageLimits(options)
      .catch((error: unknown) => log.error('disk use of pods cannot be measured', { error }))
      .finally(schedule);
  schedule();
  return {
    [Symbol.dispose]() {
      stopped = true;
      timer?.cancel();
    },
  };
}

export async function enforceStorageLimits(options: StorageWatchOptions): Promise<void> {
  const limited = options.evictable().filter(limitsStorage);
  if (limited.length === 0) return;
  const running = Map.groupBy(options.running(), ({ podUid }) => podUid);
  for (const pod of limited) {
    const uid = pod.metadata?.uid ?? '';
    const message = storageBreach(pod, await measure(pod, running.get(uid) ?? [], options));
    if (message === undefined) continue;
    options.log.warn('evicting a pod', { uid, message });
    options.evict({ uid, message });
  }
}

async function measure(
  { metadata, spec }: Readonly<Pod>,
  running: readonly RunningContainer[],
  { dataDir, files }: StorageWatchOptions,
): Promise<StorageUse> {
  const uid = metadata?.uid ?? '';
  const volumes = new Map<string, number>();
  for (const { name, emptyDir } of spec?.volumes ?? [])
    if (emptyDir) volumes.set(name, (await diskUse([join(dataDir, 'volumes', uid, name)])).bytes);
  const containers = new Map<string, number>();
  for (const { container, pid } of running) {
    const layer = await writableLayer(pid, files);
    const logs = join(dataDir, 'process', uid, 'containers', container);
    containers.set(container, (await diskUse([logs, ...(layer === undefined ? [] : [layer])])).bytes);
  }
  const { bytes: workBytes } = await diskUse([join(dataDir, 'process', uid, 'work')]);
  const sum = (amounts: Iterable<number>) => [...amounts].reduce((one, other) => one + other, 0);
  return { volumes, containers, total: sum(volumes.values()) + sum(containers.values()) + workBytes };
}
