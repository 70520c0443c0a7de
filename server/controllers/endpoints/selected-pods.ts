import type { Pod, Service } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { serviceKind } from '../../../protocol/kinds/service.ts';
import { objectKey, splitKey } from '../../../protocol/kinds/stored-object.ts';
import type { CacheChange, Informer } from '../../cache/informer.ts';
import type { ControllerContext } from '../define-controller.ts';
import { addOnce, byNamespace, byNodeName } from '../indexes.ts';
import { isSameEndpoint } from './pod-endpoint.ts';

const byFirstPair = 'selector-pair';

/**
 * Which pods each service selects, kept as pods and services change. A change of a pod costs the services that select
 * it, one of a selector the pods of its namespace.
 */
export class SelectedPods {
  readonly services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #selected = new Map<string, Set<string>>();
  readonly #changed: (serviceKey: string) => void;

  /** `changed` hears of every service whose endpoints may be others now, and of every change of a service. */
  constructor(
    { cache, follow }: Pick<ControllerContext, 'cache' | 'follow'>,
    changed: (serviceKey: string) => void,
  ) {
    this.#changed = changed;
    this.services = cache.informer(serviceKind);
    this.#pods = cache.informer(podKind);
    this.services.addIndex(byFirstPair, ({ metadata, spec }) => {
      const [pair] = pairsOf(spec?.selector).sort();
      return pair === undefined ? [] : [`${metadata?.namespace ?? ''}/${pair}`];
    });
    addOnce(this.#pods, byNamespace);
    addOnce(this.#pods, byNodeName);
    follow(this.services, (change) => this.#onService(change));
    follow(this.#pods, (change) => this.#onPod(change));
  }

  podsOf(serviceKey: string): Readonly<Pod>[] {
    return [...(this.#selected.get(serviceKey) ?? [])].flatMap((podKey) => {
      const { namespace, name } = splitKey(podKey);
      return this.#pods.get(namespace, name) ?? [];
    });
  }

  /** What is known of a node changed in what endpoints say. */
  nodeChanged(node: string): void {
    for (const pod of this.#pods.byIndex(byNodeName.name, node))
      for (const service of this.#servicesOf(pod)) this.#changed(objectKey(service));
  }

  #onService(change: CacheChange<Service>): void {
    const { object } = change;
    const key = objectKey(object);
    if (change.type === 'deleted') this.#selected.delete(key);
    else if (change.type === 'added' || !sameValue(change.old.spec?.selector, object.spec?.selector)) {
      this.#selected.set(key, new Set(this.#matching(object)));
    }
    this.#changed(key);
  }

  *#matching(service: Readonly<Service>): Generator<string> {
    for (const pod of this.#pods.byIndex(byNamespace.name, service.metadata?.namespace ?? '')) {
      if (selects(service, pod)) yield objectKey(pod);
    }
  }

  #onPod(change: CacheChange<Pod>): void {
    const { object } = change;
    const podKey = objectKey(object);
    const isGone = change.type === 'deleted';
    const matching = new Set(isGone ? [] : this.#servicesOf(object));
    const before = change.type === 'updated' ? change.old : object;
    const isMoved = change.type === 'updated' && !sameValue(before.metadata?.labels, object.metadata?.labels);
    if (change.type === 'updated' && !isMoved && isSameEndpoint(change.old, object)) return;
    if (isGone || isMoved) {
      for (const service of this.#servicesOf(before)) {
        if (matching.has(service)) continue;
        const key = objectKey(service);
        this.#selected.get(key)?.delete(podKey);
        this.#changed(key);
      }
    }
    for (const service of matching) {
      const key = objectKey(service);
      this.#selected.get(key)?.add(podKey);
      this.#changed(key);
    }
  }

  #servicesOf(pod: Readonly<Pod>): Readonly<Service>[] {
    const namespace = pod.metadata?.namespace ?? '';
    return pairsOf(pod.metadata?.labels)
      .flatMap((pair) => this.services.byIndex(byFirstPair, `${namespace}/${pair}`))
      .filter((service) => selects(service, pod));
  }
}

function pairsOf(labels: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}

/** A service without a selector selects nothing: its endpoints are somebody else's business. */
function selects({ spec }: Readonly<Service>, { metadata }: Readonly<Pod>): boolean {
  const wanted = Object.entries(spec?.selector ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => metadata?.labels?.[key] === value);
}
