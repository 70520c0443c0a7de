import type { Clock } from '../../lib/clock.ts';
import type { Secret } from '../../protocol/generated/models.ts';
import type { RuntimeDriver } from '../drivers/driver.ts';
import type { Announcement } from '../pods/pod-events.ts';
import type { PullImage } from '../pods/steps.ts';
import { credentialsFor } from './pull-credentials.ts';
import type { PullQueue } from './pull-queue.ts';
import { sizeWords } from './words.ts';

export interface ImageFetching {
  clock: Clock;
  queue: PullQueue;
  /** Undefined while it is not on this device. */
  secret: (namespace: string, name: string) => Readonly<Secret> | undefined;
  announce: (podUid: string, announcement: Announcement) => void;
  /** An image has come. */
  onFetched?: () => void;
}

export interface FoundImage {
  /** As in a container's status: by digest in its registry, or the image's id. */
  imageId: string;
  /** Absent when it was there already. */
  fetched?: { durationMs: number; waitedMs: number; sizeBytes: number };
}

/** A pull that takes long is told of again after this time, then after twice as long, up to the limit. */
const progressFirstMs = 30_000;
const progressMaxMs = 300_000;

/** Has the image on the device, by way of a registry if need be; tells of it in kubelet's words. Rejects as the driver does. */
export async function fetchImage(
  driver: RuntimeDriver,
  step: PullImage,
  { clock, queue, secret, announce, onFetched }: ImageFetching,
  signal: AbortSignal,
): Promise<FoundImage> {
  const { image, policy, podUid, container } = step;
  if (!driver.pull) return { imageId: '' };
  const say = (announcement: Announcement) => announce(podUid, { ...announcement, container });
  const secrets = step.secrets.map((name) => ({ name, object: secret(step.namespace, name) }));
  const missing = secrets.filter(({ object }) => !object).map(({ name }) => name);
  const askedAtMs = clock.monotonic();
  let begunAtMs: number | undefined;
  let nextMs = progressFirstMs;
  let toldAtMs = 0;
  const { reference, sizeBytes } = await driver.pull(image, {
    policy,
    signal,
    credentials: credentialsFor(
      image,
      secrets.flatMap(({ object }) => object ?? []),
    ),
    fetching: (fetch) =>
      queue.run(
        image,
        () => {
          begunAtMs = toldAtMs = clock.monotonic();
          if (missing.length > 0) say(secretsMissing(missing));
          say({ type: 'Normal', reason: 'Pulling', message: `Pulling image "${image}"` });
          return fetch();
        },
        signal,
      ),
    onArrived: (bytes) => {
      if (clock.monotonic() - toldAtMs < nextMs) return;
      toldAtMs = clock.monotonic();
      nextMs = Math.min(nextMs * 2, progressMaxMs);
      const message = `Pulling image "${image}": ${sizeWords(bytes)} so far`;
      say({ type: 'Normal', reason: 'Pulling', message });
    },
    onNearby: (bytes) => {
      const total = [...bytes.values()].reduce((sum, own) => sum + own, 0);
      const message = `${sizeWords(total)} of image "${image}" came from ${[...bytes.keys()].join(', ')}`;
      say({ type: 'Normal', reason: 'LayersFromNeighbours', message });
    },
  });
  if (begunAtMs === undefined) return { imageId: reference };
  onFetched?.();
  const durationMs = clock.monotonic() - begunAtMs;
  return { imageId: reference, fetched: { durationMs, waitedMs: begunAtMs - askedAtMs, sizeBytes } };
}

function secretsMissing(names: readonly string[]): Announcement {
  const message = `Unable to retrieve some image pull secrets (${names.join(', ')}); attempting to pull the image may not succeed.`;
  return { type: 'Warning', reason: 'FailedToRetrieveImagePullSecret', message };
}
