import type {
  ConfigMap,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ResourceResourceClaim,
  Secret,
  Service,
} from '../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import { isToBeReclaimed, localVolumeNode } from '../../protocol/kinds/local-volumes.ts';
import type { SetEntry } from '../../protocol/topics/sync.ts';
import type { CacheChange, Informer } from '../cache/informer.ts';
import { ComingImagesTracker, type Updaters } from './coming-images.ts';
import { NeighboursTracker } from './neighbours.ts';
import { createNodeSet, type NodeSet } from './node-set.ts';
import { ServiceLinks } from './service-links.ts';
import {
  claimEntry,
  configMapEntry,
  namedObjects,
  podEntry,
  reclaimEntry,
  resourceClaimEntry,
  secretEntry,
  serviceEntry,
} from './set-entries.ts';

/**
 * Every node's desired set, kept up incrementally: one change of a pod, ConfigMap or Secret costs what it touches,
 * whatever the size of the fleet. A ConfigMap or Secret is in a node's set exactly while a pod bound to that node
 * names it.
 */
export interface NodeSets extends Disposable {
  /** Made when first asked for, so that a node without pods has an empty set. */
  of(node: string): NodeSet;
}

export interface NodeSetsOptions extends Updaters {
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  configMaps: Informer<ConfigMap>;
  secrets: Informer<Secret>;
  claims: Informer<PersistentVolumeClaim>;
  volumes: Informer<PersistentVolume>;
  resourceClaims: Informer<ResourceResourceClaim>;
  services: Informer<Service>;
  /** Revision that a set made now begins at. */
  firstRevision: () => number;
  /** The node's set may have changed. */
  onDirty: (node: string) => void;
}

/** The informers must be synced: what they hold is taken in before this returns. */
export function trackNodeSets(options: NodeSetsOptions): NodeSets {
  const tracker = new Tracker(options);
  tracker.start();
  return tracker;
}

class Tracker implements NodeSets {
  readonly #options: NodeSetsOptions;
  readonly #sets = new Map<string, NodeSet>();
  /** How many pods of which node name an object. */
  readonly #users = new Map<string, Map<string, number>>();
  readonly #subscriptions = new DisposableStack();
  readonly #coming: ComingImagesTracker;
  readonly #neighbours: NeighboursTracker;
  readonly #links: ServiceLinks;

  constructor(options: NodeSetsOptions) {
    this.#options = options;
    const sets = {
      put: (node: string, entry: SetEntry) => this.of(node).put(entry),
      remove: (node: string, key: string) => this.of(node).remove(key),
    };
    const named = {
      ...options,
      use: (node: string, key: string) => this.#use(node, key),
      release: (node: string, key: string) => this.#release(node, key),
    };
    this.#neighbours = new NeighboursTracker({ ...options, ...sets });
    this.#links = new ServiceLinks(named);
    this.#coming = new ComingImagesTracker({
      ...named,
      ...sets,
    });
  }

  start(): void {
    const { pods, configMaps, secrets, services } = this.#options;
    this.#links.start();
    this.#subscriptions.use(this.#links);
    this.#subscriptions.use(services.onChange((change) => this.#onNamed('Service', change, serviceEntry)));
    this.#subscriptions.use(pods.onChange((change) => this.#onPod(change)));
    this.#subscriptions.use(
      configMaps.onChange((change) => this.#onNamed('ConfigMap', change, configMapEntry)),
    );
    this.#subscriptions.use(secrets.onChange((change) => this.#onNamed('Secret', change, secretEntry)));
    this.#coming.start();
    this.#subscriptions.use(this.#coming);
    this.#neighbours.start();
    this.#subscriptions.use(this.#neighbours);
    const { claims, volumes, resourceClaims } = this.#options;
    this.#subscriptions.use(
      resourceClaims.onChange((change) => this.#onNamed('ResourceClaim', change, resourceClaimEntry)),
    );
    this.#subscriptions.use(volumes.onChange((change) => this.#onVolume(change)));
    const toEntry = (claim: Readonly<PersistentVolumeClaim>) => this.#claimEntry(claim);
    this.#subscriptions.use(
      claims.onChange((change) => this.#onNamed('PersistentVolumeClaim', change, toEntry)),
    );
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
  }

  of(node: string): NodeSet {
    let set = this.#sets.get(node);
    if (!set) {
      set = createNodeSet(this.#options.firstRevision());
      this.#sets.set(node, set);
    }
    return set;
  }

  #onPod(change: CacheChange<Pod>): void {
    const before = change.type === 'updated' ? change.old : undefined;
    if (change.type === 'updated' && concernsNoDevice(change.old, change.object)) return;
    const after = change.type === 'deleted' ? undefined : change.object;
    this.#replacePod(change.type === 'deleted' ? change.object : before, after);
  }

  #replacePod(before: Readonly<Pod> | undefined, after: Readonly<Pod> | undefined): void {
    const oldNode = before?.spec?.nodeName;
    const node = after?.spec?.nodeName;
    if (after && node) {
      this.of(node).put(podEntry(after));
      for (const key of namedObjects(after)) this.#use(node, key);
    }
    if (before && oldNode) {
      const moved = oldNode !== node || before.metadata?.uid !== after?.metadata?.uid;
      if (moved) this.of(oldNode).remove(`Pod/${before.metadata?.uid}`);
      for (const key of namedObjects(before)) this.#release(oldNode, key);
      if (oldNode !== node) this.#options.onDirty(oldNode);
    }
    this.#coming.podChanged(before, after);
    this.#links.podChanged(before, after);
    if (node) this.#options.onDirty(node);
  }

  #onNamed<T extends KubernetesObject>(
    kind: 'ConfigMap' | 'Secret' | 'PersistentVolumeClaim' | 'ResourceClaim' | 'Service',
    change: CacheChange<T>,
    toEntry: (object: Readonly<T>) => SetEntry | undefined,
  ): void {
    const { namespace, name } = change.object.metadata ?? {};
    const key = `${kind}/${namespace}/${name}`;
    const users = this.#users.get(key);
    if (!users) return;
    const entry = change.type === 'deleted' ? undefined : toEntry(change.object);
    for (const node of users.keys()) {
      if (entry) this.of(node).put(entry);
      else this.of(node).remove(key);
      this.#options.onDirty(node);
    }
  }

  /** A volume travels with the claim that it is held for; one to be given back goes to its device by itself. */
  #onVolume(change: CacheChange<PersistentVolume>): void {
    const { object: volume } = change;
    const { namespace = '', name } = volume.spec?.claimRef ?? {};
    const claim = name === undefined ? undefined : this.#options.claims.get(namespace, name);
    if (claim)
      this.#onNamed('PersistentVolumeClaim', { type: 'added', object: claim }, (one) =>
        this.#claimEntry(one),
      );
    const node = localVolumeNode(volume);
    if (node === undefined) return;
    const wanted = change.type !== 'deleted' && isToBeReclaimed(volume);
    if (wanted) this.of(node).put(reclaimEntry(volume));
    else this.of(node).remove(`Reclaim/${volume.metadata?.name ?? ''}`);
    this.#options.onDirty(node);
  }

  #claimEntry(claim: Readonly<PersistentVolumeClaim>): SetEntry {
    const { volumeName } = claim.spec ?? {};
    const volume = volumeName ? this.#options.volumes.get(undefined, volumeName) : undefined;
    const held = volume?.spec?.claimRef?.uid === claim.metadata?.uid;
    return claimEntry(claim, held ? volume : undefined);
  }

  #use(node: string, key: string): void {
    let users = this.#users.get(key);
    if (!users) this.#users.set(key, (users = new Map()));
    const count = users.get(node) ?? 0;
    users.set(node, count + 1);
    if (count > 0) return;
    const entry = this.#namedEntry(key);
    if (entry) this.of(node).put(entry);
  }

  #release(node: string, key: string): void {
    const users = this.#users.get(key);
    const count = users?.get(node) ?? 0;
    if (!users || count === 0) return;
    if (count > 1) {
      users.set(node, count - 1);
      return;
    }
    users.delete(node);
    if (users.size === 0) this.#users.delete(key);
    this.of(node).remove(key);
  }

  #namedEntry(key: string): SetEntry | undefined {
    const [kind, namespace, name = ''] = key.split('/');
    const { configMaps, secrets } = this.#options;
    if (kind === 'Secret') {
      const secret = secrets.get(namespace, name);
      return secret && secretEntry(secret);
    }
    if (kind === 'Service') {
      const service = this.#options.services.get(namespace, name);
      return service && serviceEntry(service);
    }
    if (kind === 'PersistentVolumeClaim') {
      const claim = this.#options.claims.get(namespace, name);
      return claim && this.#claimEntry(claim);
    }
    if (kind === 'ResourceClaim') {
      const claim = this.#options.resourceClaims.get(namespace, name);
      return claim && resourceClaimEntry(claim);
    }
    const configMap = configMaps.get(namespace, name);
    return configMap && configMapEntry(configMap);
  }
}

/**
 * Statuses are most of all changes; those that touch nothing a device sees are left here, before anything is
 * hashed.
 */
function concernsNoDevice(old: Readonly<Pod>, pod: Readonly<Pod>): boolean {
  const before = old.metadata;
  const after = pod.metadata;
  return (
    before?.uid === after?.uid &&
    after?.generation !== undefined &&
    before?.generation === after.generation &&
    old.spec?.nodeName === pod.spec?.nodeName &&
    old.status?.resourceClaimStatuses?.length === pod.status?.resourceClaimStatuses?.length &&
    before?.deletionTimestamp === after.deletionTimestamp &&
    before?.deletionGracePeriodSeconds === after.deletionGracePeriodSeconds &&
    sameRecord(before?.labels, after.labels) &&
    sameRecord(before?.annotations, after.annotations)
  );
}

function sameRecord(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
