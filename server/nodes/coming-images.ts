import type {
  DaemonSet,
  Deployment,
  Pod,
  PodTemplateSpec,
  StatefulSet,
} from '../../protocol/generated/models.ts';
import { type ComingImages, stageAnnotation } from '../../protocol/kinds/coming-images.ts';
import { entryDigest } from '../../protocol/sync-hash.ts';
import type { SetEntry } from '../../protocol/topics/sync.ts';
import type { CacheChange, Informer } from '../cache/informer.ts';

export interface Updaters {
  deployments: Informer<Deployment>;
  daemonSets: Informer<DaemonSet>;
  statefulSets: Informer<StatefulSet>;
}

export interface ComingImagesOptions extends Updaters {
  put: (node: string, entry: SetEntry) => void;
  remove: (node: string, key: string) => void;
  /** The device needs that object, or not any more. */
  use: (node: string, key: string) => void;
  release: (node: string, key: string) => void;
  onDirty: (node: string) => void;
}

type Updater = Deployment | DaemonSet | StatefulSet;
type UpdaterKind = 'Deployment' | 'DaemonSet' | 'StatefulSet';

/**
 * Tells devices which images are coming: those of the present template of a Deployment, DaemonSet or StatefulSet that has
 * pods of an earlier one there and deletes them first. A device fetches them while these still run, and lets none of them stop before it has them.
 * A change costs the nodes that have pods of that owner.
 */
export class ComingImagesTracker implements Disposable {
  readonly #options: ComingImagesOptions;
  /** By owner, then node, then uid. */
  readonly #pods = new Map<string, Map<string, Map<string, Readonly<Pod>>>>();
  /** By node and key: the secrets that came along. */
  readonly #sent = new Map<string, readonly string[]>();
  readonly #subscriptions = new DisposableStack();

  constructor(options: ComingImagesOptions) {
    this.#options = options;
  }

  start(): void {
    const { deployments, daemonSets, statefulSets } = this.#options;
    const follow = (kind: UpdaterKind) => (change: CacheChange<Updater>) => this.#onUpdater(kind, change);
    this.#subscriptions.use(deployments.onChange(follow('Deployment')));
    this.#subscriptions.use(daemonSets.onChange(follow('DaemonSet')));
    this.#subscriptions.use(statefulSets.onChange(follow('StatefulSet')));
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
  }

  podChanged(before: Readonly<Pod> | undefined, after: Readonly<Pod> | undefined): void {
    for (const [pod, isThere] of [
      [before, false],
      [after, true],
    ] as const) {
      const node = pod?.spec?.nodeName;
      const owner = pod && updaterOf(pod);
      if (!pod || !node || owner === undefined) continue;
      this.#note(owner, node, pod, isThere);
      const replaced = !isThere && after?.spec?.nodeName === node && updaterOf(after) === owner;
      if (!replaced) this.#refresh(owner, node);
    }
  }

  #note(owner: string, node: string, pod: Readonly<Pod>, isThere: boolean): void {
    const nodes = this.#pods.get(owner) ?? new Map<string, Map<string, Readonly<Pod>>>();
    const pods = nodes.get(node) ?? new Map<string, Readonly<Pod>>();
    if (isThere) pods.set(pod.metadata?.uid ?? '', pod);
    else pods.delete(pod.metadata?.uid ?? '');
    if (pods.size > 0) nodes.set(node, pods);
    else nodes.delete(node);
    if (nodes.size > 0) this.#pods.set(owner, nodes);
    else this.#pods.delete(owner);
  }

  #onUpdater(kind: UpdaterKind, change: CacheChange<Updater>): void {
    const { metadata } = change.object;
    if (change.type === 'updated' && change.old.metadata?.generation === metadata?.generation) return;
    const owner = `${kind}/${metadata?.namespace}/${metadata?.name}`;
    for (const node of this.#pods.get(owner)?.keys() ?? []) {
      this.#refresh(owner, node);
      this.#options.onDirty(node);
    }
  }

  #refresh(owner: string, node: string): void {
    const { put, remove, use, release } = this.#options;
    const key = `Coming/${owner}`;
    const coming = this.#coming(owner, node);
    const sentKey = `${node} ${key}`;
    const before = this.#sent.get(sentKey);
    const secrets = (coming?.imagePullSecrets ?? []).map((name) => `Secret/${coming?.namespace}/${name}`);
    for (const secret of secrets) use(node, secret);
    for (const secret of before ?? []) release(node, secret);
    if (coming) {
      const object = { ...coming };
      this.#sent.set(sentKey, secrets);
      put(node, { key, digest: entryDigest(object), object });
    } else if (before) {
      this.#sent.delete(sentKey);
      remove(node, key);
    }
  }

  #coming(owner: string, node: string): ComingImages | undefined {
    const { deployments, daemonSets, statefulSets } = this.#options;
    const [kind, namespace = '', name = ''] = owner.split('/') as [UpdaterKind, string?, string?];
    const pods = [...(this.#pods.get(owner)?.get(node)?.values() ?? [])];
    switch (kind) {
      case 'Deployment': {
        const found = deployments.get(namespace, name);
        const { paused, replicas, strategy } = found?.spec ?? {};
        const goesOn = !paused && replicas !== 0 && deletesFirst(strategy);
        return goesOn ? comingOf(namespace, found?.spec?.template, pods) : undefined;
      }
      case 'DaemonSet': {
        const found = daemonSets.get(namespace, name);
        const { updateStrategy } = found?.spec ?? {};
        const rolls = updateStrategy?.type !== 'OnDelete' && deletesFirst(updateStrategy);
        return rolls ? comingOf(namespace, found?.spec?.template, pods) : undefined;
      }
      case 'StatefulSet': {
        const { template, updateStrategy } = statefulSets.get(namespace, name)?.spec ?? {};
        const { partition = 0 } = updateStrategy?.rollingUpdate ?? {};
        const due = pods.filter((pod) => ordinalOf(pod) >= partition);
        return updateStrategy?.type === 'OnDelete' ? undefined : comingOf(namespace, template, due);
      }
    }
  }
}

/** With a surge the new pod is there, with its images, before the old one goes; and it may come to another node. */
function deletesFirst(
  strategy: { type?: string; rollingUpdate?: { maxSurge?: number | string } } | undefined,
): boolean {
  const { maxSurge = 0 } = strategy?.rollingUpdate ?? {};
  return strategy?.type === 'Recreate' || Number.parseInt(String(maxSurge), 10) === 0;
}

function comingOf(
  namespace: string,
  template: Readonly<PodTemplateSpec> | undefined,
  pods: readonly Readonly<Pod>[],
): ComingImages | undefined {
  if (!template?.spec || template.metadata?.annotations?.[stageAnnotation] === 'false') return undefined;
  const { initContainers = [], containers, imagePullSecrets = [], runtimeClassName } = template.spec;
  const all = [...initContainers, ...containers];
  const wanted = new Set(all.flatMap(({ image }) => image ?? []));
  const outdated = pods.filter((pod) => !wanted.isSubsetOf(imagesOf(pod)));
  if (outdated.length === 0) return undefined;
  const own = [...outdated.flatMap(({ spec }) => spec?.imagePullSecrets ?? []), ...imagePullSecrets];
  return {
    namespace,
    pods: outdated.map(({ metadata }) => metadata?.uid ?? '').sort(),
    containers: all.map(({ name, image = '', imagePullPolicy }) => ({
      name,
      image,
      ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    })),
    imagePullSecrets: [...new Set(own.flatMap(({ name }) => (name ? [name] : [])))],
    ...(runtimeClassName === undefined ? {} : { runtimeClassName }),
  };
}

function imagesOf({ spec }: Readonly<Pod>): Set<string> {
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return new Set(all.flatMap(({ image }) => image ?? []));
}

/** Who decides about the pod's template; a ReplicaSet's name is its Deployment's and the hash of the template. */
function updaterOf({ metadata }: Readonly<Pod>): string | undefined {
  const controller = metadata?.ownerReferences?.find((reference) => reference.controller);
  const place = (kind: UpdaterKind, name: string) => `${kind}/${metadata?.namespace}/${name}`;
  const { kind, name } = controller ?? { kind: '', name: '' };
  if (kind === 'DaemonSet' || kind === 'StatefulSet') return place(kind, name);
  const suffix = `-${metadata?.labels?.['pod-template-hash']}`;
  if (kind !== 'ReplicaSet' || !name.endsWith(suffix)) return undefined;
  return place('Deployment', name.slice(0, -suffix.length));
}

function ordinalOf({ metadata }: Readonly<Pod>): number {
  return Number(/-(\d+)$/.exec(metadata?.name ?? '')?.[1] ?? 0);
}
