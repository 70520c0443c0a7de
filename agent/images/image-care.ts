import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import type { NodeReport } from '../../protocol/topics/sync.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { Journal } from '../desired/journal.ts';
import type { RuntimeDriver } from '../drivers/driver.ts';
import type { HostFiles } from '../host/host-files.ts';
import type { StatusOutbox } from '../link/status-outbox.ts';
import { imageVolumes } from '../pods/image-volumes.ts';
import type { Announcement } from '../pods/pod-events.ts';
import { ImageCollector } from './collector.ts';
import type { ImageFetching } from './fetch-image.ts';
import { Importer } from './importer.ts';
import { Inventory } from './inventory.ts';
import { PullQueue } from './pull-queue.ts';
import { Stager } from './stager.ts';

export interface ImageCareOptions {
  dataDir: string;
  imageGcHighThreshold: number;
  imageGcLowThreshold: number;
  /** In use at first, the default first. */
  drivers: readonly { driver: RuntimeDriver }[];
  desired: DesiredSet;
  journal: Journal;
  outbox: Pick<StatusOutbox, 'reportEvent'>;
  files: HostFiles;
  clock: Clock;
  random: Random;
  log: Logger;
  reportImages: (images: NonNullable<NodeReport['images']>) => void;
  /** Something that the pod waited for may have come. */
  wake: (podUid: string) => void;
  /** Images have come by another way than pulls. */
  onImported: () => void;
}

/** All that is done about the images of this device. */
export interface ImageCare extends Disposable {
  readonly fetching: ImageFetching;
  heldUntilMs(pod: Pod): number | undefined;
  /** A runtime that was found later. */
  use(driver: RuntimeDriver): Promise<void>;
  /** The disk is short. True when that was helped by removing images. */
  relieve(filesystem: 'nodefs' | 'imagefs'): Promise<boolean>;
}

const pullsAtOnceMax = 2;

export async function openImageCare(options: ImageCareOptions): Promise<ImageCare> {
  const { desired, outbox, clock, wake } = options;
  const drivers = options.drivers.map(({ driver }) => driver);
  using stack = new DisposableStack();
  let keepers: Keepers | undefined;
  const fetching: ImageFetching = {
    clock,
    queue: new PullQueue(pullsAtOnceMax),
    secret: (namespace, name) => desired.entries.get(`Secret/${namespace}/${name}`)?.object,
    announce: (uid, announcement) => outbox.reportEvent({ uid, ...announcement }),
    onFetched: () => keepers?.inventory.changed(),
  };
  const driverOf = (name: string | undefined) =>
    drivers.find((driver) => name === undefined || driver.name === name);
  const stager = stack.adopt(new Stager({ ...options, images: fetching, driverOf, wake }), (one) =>
    one.stop(),
  );
  const keepAny = async () => {
    const store = drivers.find(({ images }) => images)?.images;
    if (store && !keepers) keepers = await keep(store, stager, options, parts ?? stack);
  };
  let parts: DisposableStack | undefined;
  await keepAny();
  parts = stack.move();
  return {
    fetching,
    async use(driver) {
      // A container engine is the default wherever there is one.
      if (driver.images) drivers.unshift(driver);
      else drivers.push(driver);
      await keepAny();
    },
    heldUntilMs: (pod) => stager.heldUntilMs(pod),
    relieve: async (filesystem) => (await keepers?.collector.relieve(filesystem)) ?? false,
    [Symbol.dispose]: () => parts?.dispose(),
  };
}

interface Keepers {
  inventory: Inventory;
  collector: ImageCollector;
}

async function keep(
  store: NonNullable<RuntimeDriver['images']>,
  stager: Stager,
  options: ImageCareOptions,
  stack: DisposableStack,
): Promise<Keepers> {
  const { desired, outbox, files, reportImages, onImported } = options;
  const announce = (announcement: Announcement) => outbox.reportEvent({ uid: '', ...announcement });
  const base = { ...options, store, announce };
  const inventory = stack.adopt(new Inventory({ ...base, report: reportImages }), (one) => one.stop());
  const importer = stack.adopt(
    new Importer({
      ...base,
      onImported: () => {
        inventory.changed();
        onImported();
      },
    }),
    (one) => one.stop(),
  );
  const collector = stack.adopt(
    new ImageCollector({
      ...base,
      space: (path) => files.space(path),
      highPercent: options.imageGcHighThreshold,
      lowPercent: options.imageGcLowThreshold,
      wanted: () => [...imagesOfPods(desired), ...stager.wanted(), ...importer.imported()],
      onRemoved: () => inventory.changed(),
    }),
    (one) => one.stop(),
  );
  inventory.changed();
  await importer.start();
  collector.start();
  return { inventory, collector };
}

function imagesOfPods({ entries }: DesiredSet): string[] {
  return [...entries].flatMap(([key, { object }]) => {
    if (!key.startsWith('Pod/')) return [];
    const pod = object as Pod;
    const { initContainers = [], containers = [], ephemeralContainers = [] } = pod.spec ?? {};
    const all = [...initContainers, ...containers, ...ephemeralContainers, ...imageVolumes(pod)];
    return all.flatMap(({ image }) => image ?? []);
  });
}
