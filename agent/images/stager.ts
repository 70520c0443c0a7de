import { backoffMs } from '../../lib/backoff.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { Pod } from '../../protocol/generated/models.ts';
import { type ComingImages, comingKeyPrefix } from '../../protocol/kinds/coming-images.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { RuntimeDriver } from '../drivers/driver.ts';
import { pullPolicy } from '../pods/plan-container.ts';
import { fetchImage, type ImageFetching } from './fetch-image.ts';

export interface StagerOptions {
  desired: DesiredSet;
  /** Of that runtimeClassName, or the default. */
  driverOf: (runtimeClassName: string | undefined) => RuntimeDriver | undefined;
  images: ImageFetching;
  clock: Clock;
  random: Random;
  log: Logger;
  /** The pod may go on with its end. */
  wake: (podUid: string) => void;
}

/** A fleet that is told at the same moment does not ask its registry at the same moment. */
const spreadMs = 30_000;
const retryBackoff = { baseMs: 10_000, capMs: 300_000 };
/** No longer than this a pod goes on that was told to end. */
export const holdMaxMs = 60 * 60_000;

interface Staging {
  digest: string;
  coming: ComingImages;
  complete: boolean;
  failures: number;
  timer: Timer | undefined;
  abort: AbortController;
  fetching: boolean;
}

/** Fetches what the successors of this device's pods will need, and knows which pods have to wait for that. */
export class Stager {
  readonly #options: StagerOptions;
  readonly #stagings = new Map<string, Staging>();
  /** By pod uid: monotonic time at which it was first asked about. */
  readonly #heldSince = new Map<string, number>();
  readonly #subscription: Disposable;

  constructor(options: StagerOptions) {
    this.#options = options;
    const { desired } = options;
    this.#follow(desired.entries.keys());
    this.#subscription = desired.onChange((keys) => this.#follow(keys));
  }

  stop(): void {
    this.#subscription[Symbol.dispose]();
    for (const key of this.#stagings.keys()) this.#forget(key);
  }

  /** Images that are to stay although no pod uses them yet. */
  wanted(): string[] {
    return [...this.#stagings.values()].flatMap(({ coming }) => coming.containers.map(({ image }) => image));
  }

  /** Monotonic; until when at the latest a pod that is deleted goes on. Undefined when nothing holds it. */
  heldUntilMs({ metadata }: Readonly<Pod>): number | undefined {
    const uid = metadata?.uid ?? '';
    const staging = [...this.#stagings.values()].find(
      ({ coming, complete }) => !complete && coming.pods.includes(uid),
    );
    if (!staging) return undefined;
    const { clock, images } = this.#options;
    const since = this.#heldSince.get(uid) ?? clock.monotonic();
    if (!this.#heldSince.has(uid)) {
      this.#heldSince.set(uid, since);
      const message = 'It goes on until the images of its successor are on the device, for one hour at most';
      images.announce(uid, { type: 'Normal', reason: 'AwaitingImages', message });
      this.#begin(staging, 0);
    }
    return since + holdMaxMs;
  }

  #follow(keys: Iterable<string>): void {
    for (const key of keys) if (key.startsWith(comingKeyPrefix)) this.#onEntry(key);
  }

  #onEntry(key: string): void {
    const entry = this.#options.desired.entries.get(key);
    const before = this.#stagings.get(key);
    if (before && before.digest === entry?.digest) return;
    this.#forget(key);
    const coming = entry?.object as unknown as ComingImages | undefined;
    for (const uid of before?.coming.pods ?? []) if (!coming?.pods.includes(uid)) this.#heldSince.delete(uid);
    if (!entry || !coming) return;
    const staging: Staging = {
      digest: entry.digest,
      coming,
      complete: false,
      failures: 0,
      timer: undefined,
      abort: new AbortController(),
      fetching: false,
    };
    this.#stagings.set(key, staging);
    const isHeld = staging.coming.pods.some((uid) => this.#heldSince.has(uid));
    this.#begin(staging, isHeld ? 0 : Math.floor(this.#options.random.fraction() * spreadMs));
  }

  #forget(key: string): void {
    const staging = this.#stagings.get(key);
    if (!staging) return;
    this.#stagings.delete(key);
    staging.timer?.cancel();
    staging.abort.abort(new Error('no longer wanted'));
    this.#release(staging);
  }

  #release({ coming }: Staging): void {
    const { wake } = this.#options;
    for (const uid of coming.pods) if (this.#heldSince.has(uid)) wake(uid);
  }

  #begin(staging: Staging, delayMs: number): void {
    if (staging.fetching || staging.complete) return;
    staging.timer?.cancel();
    staging.timer = this.#options.clock.after(delayMs, () => void this.#stage(staging), { unref: true });
  }

  async #stage(staging: Staging): Promise<void> {
    const { log, images } = this.#options;
    staging.fetching = true;
    try {
      for (const container of staging.coming.containers) await this.#fetch(staging, container);
      staging.complete = true;
      this.#release(staging);
    } catch (error) {
      if (staging.abort.signal.aborted) return;
      log.warn('coming images could not be fetched', { error });
      const reason = error instanceof Error ? error.message : String(error);
      const message = `Failed to pull what its successor needs: ${reason}`;
      images.announce(staging.coming.pods[0] ?? '', { type: 'Warning', reason: 'Failed', message });
      staging.failures += 1;
      staging.fetching = false;
      this.#begin(staging, backoffMs(staging.failures, retryBackoff));
    }
  }

  async #fetch({ coming, abort }: Staging, container: ComingImages['containers'][number]): Promise<void> {
    const { images, driverOf } = this.#options;
    const driver = driverOf(coming.runtimeClassName);
    const policy = pullPolicy(container, false);
    if (!driver?.pull || policy === 'Never') return;
    const step = {
      container: container.name,
      image: container.image,
      policy,
      podUid: coming.pods[0] ?? '',
      namespace: coming.namespace,
      secrets: coming.imagePullSecrets,
    };
    await fetchImage(driver, step, images, abort.signal);
  }
}
