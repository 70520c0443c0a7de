import type { Logger } from '../../lib/log.ts';
import type { PersistentVolume } from '../../protocol/generated/models.ts';
import { isToBeReclaimed, localVolumeNode, localVolumes } from '../../protocol/kinds/local-volumes.ts';
import { persistentVolumeKind } from '../../protocol/kinds/persistent-volume.ts';
import { isStatus } from '../../protocol/status.ts';
import { volumeReclaimed } from '../../protocol/topics/volumes.ts';
import type { Bus } from '../bus/bus.ts';
import type { Informer } from '../cache/informer.ts';
import type { Registry } from '../registry/registry.ts';

export interface ReclaimedOptions {
  bus: Bus;
  registry: Registry;
  log: Logger;
  volumes: Informer<PersistentVolume>;
}

/** Lets volumes go whose device says that their folder is gone; the device says it again until its set agrees. */
export function followReclaimed({ bus, registry, log, volumes }: ReclaimedOptions): Disposable {
  return bus.subscribe(volumeReclaimed, ({ name, uid }, { node }) => {
    const known = volumes.get(undefined, name);
    const isDue = known?.metadata?.uid === uid && localVolumeNode(known) === node && isToBeReclaimed(known);
    if (!isDue) return;
    const letGo = (draft: PersistentVolume) => {
      const { metadata = {} } = draft;
      if (metadata.uid !== uid || !isToBeReclaimed(draft)) return;
      metadata.finalizers = (metadata.finalizers ?? []).filter((one) => one !== localVolumes.finalizer);
    };
    void registry.mutate(persistentVolumeKind, { name }, letGo).catch((error: unknown) => {
      if (!isStatus(error, 'NotFound'))
        log.warn('a volume given back stays for now', { volume: name, error });
    });
  });
}
