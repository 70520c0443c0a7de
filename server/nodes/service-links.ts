import type { Pod, Service } from '../../protocol/generated/models.ts';
import type { CacheChange, Informer } from '../cache/informer.ts';

export interface ServiceLinksOptions {
  services: Informer<Service>;
  /** The device needs that object, or not any more. */
  use: (node: string, key: string) => void;
  release: (node: string, key: string) => void;
  onDirty: (node: string) => void;
}

interface Interest {
  /** How many pods of which node. */
  readonly nodes: Map<string, number>;
  readonly services: Set<string>;
}

const byNamespace = 'namespaceOfServiceLinks';

/**
 * Which devices need the services of which namespace: those that have a pod there which wants to find them in its
 * environment. A change of a pod or service costs the services of its namespace or the devices that need them.
 */
export class ServiceLinks implements Disposable {
  readonly #options: ServiceLinksOptions;
  readonly #interests = new Map<string, Interest>();
  readonly #subscriptions = new DisposableStack();

  constructor(options: ServiceLinksOptions) {
    this.#options = options;
  }

  /** Before pods are told of. */
  start(): void {
    const { services } = this.#options;
    if (!services.hasIndex(byNamespace))
      services.addIndex(byNamespace, ({ metadata }) => [metadata?.namespace ?? '']);
    this.#subscriptions.use(services.onChange((change) => this.#onService(change)));
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
  }

  podChanged(before: Readonly<Pod> | undefined, after: Readonly<Pod> | undefined): void {
    if (after && wantsLinks(after)) this.#add(after);
    if (before && wantsLinks(before)) this.#remove(before);
  }

  #add({ metadata, spec }: Readonly<Pod>): void {
    const [namespace = '', node = ''] = [metadata?.namespace, spec?.nodeName];
    const interest = this.#interests.get(namespace) ?? this.#begin(namespace);
    const count = interest.nodes.get(node) ?? 0;
    interest.nodes.set(node, count + 1);
    if (count === 0) for (const key of interest.services) this.#options.use(node, key);
  }

  #remove({ metadata, spec }: Readonly<Pod>): void {
    const [namespace = '', node = ''] = [metadata?.namespace, spec?.nodeName];
    const interest = this.#interests.get(namespace);
    const count = interest?.nodes.get(node) ?? 0;
    if (!interest || count === 0) return;
    if (count > 1) {
      interest.nodes.set(node, count - 1);
      return;
    }
    interest.nodes.delete(node);
    for (const key of interest.services) this.#options.release(node, key);
    if (interest.nodes.size === 0) this.#interests.delete(namespace);
  }

  #begin(namespace: string): Interest {
    const services = this.#options.services.byIndex(byNamespace, namespace).map(keyOf);
    const interest: Interest = { nodes: new Map(), services: new Set(services) };
    this.#interests.set(namespace, interest);
    return interest;
  }

  /** That one changes is told to whoever uses it like any named object. */
  #onService({ type, object }: CacheChange<Service>): void {
    const interest = this.#interests.get(object.metadata?.namespace ?? '');
    const key = keyOf(object);
    const known = interest?.services.has(key) ?? false;
    if (!interest || type === 'updated' || known === (type === 'added')) return;
    if (type === 'added') interest.services.add(key);
    else interest.services.delete(key);
    for (const node of interest.nodes.keys()) {
      if (type === 'added') this.#options.use(node, key);
      else this.#options.release(node, key);
      this.#options.onDirty(node);
    }
  }
}

function wantsLinks({ spec }: Readonly<Pod>): boolean {
  return Boolean(spec?.nodeName) && spec?.enableServiceLinks !== false;
}

function keyOf({ metadata }: Readonly<Service>): string {
  return `Service/${metadata?.namespace}/${metadata?.name}`;
}
