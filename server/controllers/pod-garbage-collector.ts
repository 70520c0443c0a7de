import { forEachLimited } from '../../lib/for-each-limited.ts';
import { podKind } from '../../protocol/kinds/pod.ts';
import { storedMeta } from '../../protocol/kinds/stored-object.ts';
import { defineController } from './define-controller.ts';
import { ignoreGone } from './expected-failures.ts';
import { nameOf } from './object-name.ts';
import { Pacing } from './pacing.ts';
import { isPodFinished } from './pod-state.ts';

/** So many pods that have ended are kept to be looked at; beyond that the oldest go (Kubernetes' number). */
const finishedPodsMax = 12_500;
const deletesAtOnce = 16;
const key = 'finished pods';
const finished = 'finished';

/** Pods of nodes that are gone are the node lifecycle's; those of owners that are gone the garbage collector's. */
export const podGarbageCollector = definePodGarbageCollector(finishedPodsMax);

export function definePodGarbageCollector(podsMax: number) {
  return defineController({
    name: 'pod-garbage-collector',
    workers: 1,
    setup({ cache, clock, registry, log, follow }, enqueue) {
      const pods = cache.informer(podKind);
      const pacing = new Pacing(clock);
      pods.addIndex(finished, (pod) => (isPodFinished(pod) ? [finished] : []));
      follow(pods, ({ type, object }) => {
        if (type !== 'deleted' && isPodFinished(object)) enqueue(key);
      });
      return async () => {
        const restMs = pacing.restMs(key);
        if (restMs > 0) return { requeueAfterMs: restMs };
        const surplus = pacing.run(key, () => {
          const ended = pods
            .byIndex(finished, finished)
            .filter(({ metadata }) => !metadata?.deletionTimestamp);
          if (ended.length <= podsMax) return [];
          const created = (pod: (typeof ended)[number]) => Date.parse(storedMeta(pod).creationTimestamp);
          return ended.toSorted((a, b) => created(a) - created(b)).slice(0, ended.length - podsMax);
        });
        if (surplus.length === 0) return undefined;
        log.info('removing the oldest of the pods that have ended', { pods: surplus.length });
        await forEachLimited(surplus, deletesAtOnce, (pod) => {
          const preconditions = { uid: storedMeta(pod).uid };
          return registry
            .delete(podKind, nameOf(pod), { gracePeriodSeconds: 0, preconditions })
            .catch(ignoreGone);
        });
        return undefined;
      };
    },
  });
}
