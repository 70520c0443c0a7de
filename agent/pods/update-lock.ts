import type { Clock } from '../../lib/clock.ts';
import type { Pod, PodCondition } from '../../protocol/generated/models.ts';
import { timestamp } from '../../protocol/kinds/stored-object.ts';
import { parseUpdateLock, updateLockAnnotation, updateLockCondition } from '../../protocol/update-lock.ts';
import type { PodVolumes } from '../volumes/pod-volumes.ts';

/** Between two looks at the file. */
export const lookEveryMs = 5_000;
/**
 * A file that is gone for less is only between two jobs of an app that takes the lock for each. Telling every change
 * would cost the link more than the pod's updates are worth.
 */
export const freeAfterMs = 15_000;

/**
 * Whether the app of one pod holds its lock against updates: a file that the pod names in an annotation, in an emptyDir
 * of its own. Only pods that name one are looked at. Nothing of it is kept on disk: after a restart of the agent the
 * condition's time begins anew.
 */
export class UpdateLock {
  readonly #clock: Clock;
  readonly #volumes: Pick<PodVolumes, 'hasFile'>;
  #condition: PodCondition | undefined;
  #seenAtMs = Number.NEGATIVE_INFINITY;

  constructor({ clock, volumes }: { clock: Clock; volumes: Pick<PodVolumes, 'hasFile'> }) {
    this.#clock = clock;
    this.#volumes = volumes;
  }

  /** Undefined for a pod that names no file, and as long as nothing is known. */
  get condition(): PodCondition | undefined {
    return this.#condition;
  }

  /** Resolves to the delay until the next look; undefined for a pod that names no file. */
  async look(pod: Pod | undefined): Promise<number | undefined> {
    const place = placeOf(pod);
    if (!pod || !place) {
      if (this.#condition) this.#set('False', 'Free');
      return undefined;
    }
    const held = await this.#volumes.hasFile(pod.metadata?.uid ?? '', place);
    const nowMs = this.#clock.monotonic();
    if (held) this.#seenAtMs = nowMs;
    if (held) this.#set('True', 'Held');
    else if (held === false && nowMs - this.#seenAtMs >= freeAfterMs) this.#set('False', 'Free');
    return lookEveryMs;
  }

  #set(status: 'True' | 'False', reason: string): void {
    if (this.#condition?.status === status) return;
    const lastTransitionTime = timestamp(this.#clock.now());
    this.#condition = { type: updateLockCondition, status, reason, lastTransitionTime };
  }
}

function placeOf(pod: Pod | undefined): ReturnType<typeof parseUpdateLock> {
  const place = parseUpdateLock(pod?.metadata?.annotations?.[updateLockAnnotation]);
  const volume = pod?.spec?.volumes?.find(({ name }) => name === place?.volume);
  return volume?.emptyDir ? place : undefined;
}
