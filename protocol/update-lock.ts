/**
 * A lock that the app on a device can hold against updates: while a file is there, rollouts with a policy do not
 * replace the pod. The agent reports it as a condition of the pod.
 */

/** On a pod: which file, as `<volume>/<file>`; the volume is an emptyDir of the pod. */
export const updateLockAnnotation = 'fleet.flotilla.dev/update-lock';
/** Condition of a pod that names a file. */
export const updateLockCondition = 'fleet.flotilla.dev/UpdateLock';

/**
 * The file that the annotation names; undefined when it names none. It lies in the volume itself: what the app does
 * with folders and links leads nowhere else.
 */
export function parseUpdateLock(text: string | undefined): { volume: string; file: string } | undefined {
  const [, volume, file] = /^([a-z0-9][a-z0-9-]*)\/([A-Za-z0-9._-]+)$/.exec(text ?? '') ?? [];
  if (volume === undefined || file === undefined || file === '.' || file === '..') return undefined;
  return { volume, file };
}
