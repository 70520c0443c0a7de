import type { Pod } from '../../../protocol/generated/models.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import type { ControllerContext } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import { isTracked, trackingFinalizer } from './job-pods.ts';

/** Takes a Job's finalizer from a pod. Undefined when it has none any more or is gone. */
export async function dropTracking(
  { registry }: Pick<ControllerContext, 'registry'>,
  pod: Readonly<Pod>,
): Promise<Pod | undefined> {
  if (!isTracked(pod)) return undefined;
  const { uid } = storedMeta(pod);
  return registry
    .mutate(podKind, nameOf(pod), (draft) => {
      const meta = storedMeta(draft);
      if (meta.uid !== uid) return;
      const others = (meta.finalizers ?? []).filter((name) => name !== trackingFinalizer);
      if (others.length > 0) meta.finalizers = others;
      else delete meta.finalizers;
    })
    .catch(ignoreGone);
}
