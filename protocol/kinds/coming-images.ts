/**
 * An entry of a device's desired set, `Coming/<kind>/<namespace>/<name>`: what the successors of some of its pods will need.
 */
export interface ComingImages {
  namespace: string;
  /** Uids of the pods that are to be replaced. */
  pods: string[];
  containers: { name: string; image: string; imagePullPolicy?: string }[];
  /** Names of Secrets of that namespace. */
  imagePullSecrets: string[];
  runtimeClassName?: string;
}

export const comingKeyPrefix = 'Coming/';

/** `false` on a pod template: its images are fetched when its pods come, not before. */
export const stageAnnotation = 'flotilla.dev/stage-images';
