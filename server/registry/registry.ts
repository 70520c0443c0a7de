import type { KindDefinition, KubernetesObject, Requester } from '../../protocol/kinds/define-kind.ts';
import type { EncodedItem } from './encoded-items.ts';

/**
 * The one way to Kubernetes objects inside the server: the API, the controllers, the scheduler and the node
 * sessions all read and write here. It decodes, defaults, validates, stamps metadata and turns store errors into
 * `StatusError`s; it owns the key layout. Objects it hands out are the caller's own copies, unless said otherwise.
 * One write changes one object, and so a revision names one change: a watch that is resumed after it misses nothing.
 */
export interface Registry {
  get<T extends KubernetesObject>(kind: KindDefinition<T>, at: ObjectName): Promise<T>;
  list<T extends KubernetesObject>(kind: KindDefinition<T>, options?: ListRequest): Promise<ListAnswer<T>>;
  /**
   * As `list`, as JSON: an object that is stored as it is shown is neither parsed nor written anew. With `shape`, the JSON of
   * what that makes of each object, which it does not keep.
   */
  listEncoded<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    options?: ListRequest,
    shape?: (object: T) => unknown,
  ): Promise<ListAnswer<EncodedItem>>;
  /**
   * Changes after `resourceVersion`; without it, first everything there is as ADDED. A malformed request throws at
   * once, one that is too old while iterating (Expired). The objects are shared among watchers: never change them.
   */
  watch<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    request: WatchRequest,
  ): AsyncIterable<WatchChange<T>>;

  create<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T>;
  /** Replaces; metadata.resourceVersion, when present, must match (Conflict otherwise). */
  update<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    object: NoInfer<T>,
    options?: WriteOptions,
  ): Promise<T>;
  /**
   * Reads, lets `change` edit a copy in place (or return undefined to leave it), writes; repeats on a conflict. A
   * change that leaves the object as it was writes nothing. `change` must be free of side effects.
   */
  mutate<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    at: ObjectName,
    change: (draft: T) => void,
    options?: WriteOptions,
  ): Promise<T>;
  /** Returns the object as it stands: still there with a deletionTimestamp, or as it was when removed. */
  delete<T extends KubernetesObject>(
    kind: KindDefinition<T>,
    at: ObjectName,
    options?: DeleteRequest,
  ): Promise<T>;
  /**
   * Sets spec.nodeName of an unbound pod (Conflict when it is bound or being deleted). Returns the pod's new
   * resourceVersion, which is the old one in a dry run.
   */
  bind(at: ObjectName, podUid: string, node: string, options?: BindOptions): Promise<string>;
  /**
   * Takes a pod back from a node that refused it: clears spec.nodeName and what was reported of it, sets
   * PodScheduled to False with the reason, and notes the refusal where `refusalsOf` (refusals.ts) finds it.
   * Conflict unless the pod is still bound to exactly this node.
   */
  unbind(at: ObjectName, veto: Veto): Promise<void>;

  /** Revision of the last committed write, as a resourceVersion. */
  readonly resourceVersion: string;
  readonly epoch: string;
}

export interface Veto {
  podUid: string;
  node: string;
  /** One CamelCase word, as in a condition. */
  reason: string;
  message: string;
}

export interface ObjectName {
  /** Absent for cluster-scoped kinds. */
  namespace?: string;
  name: string;
}

export interface Selection {
  /** All namespaces when absent. */
  namespace?: string;
  /** Kubernetes selector strings; a malformed one is a BadRequest. */
  labelSelector?: string;
  fieldSelector?: string;
}

export interface ListRequest extends Selection {
  limit?: number;
  continue?: string;
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface ListAnswer<T> {
  items: T[];
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

export interface WatchRequest extends Selection {
  resourceVersion?: string;
  signal: AbortSignal;
  /** Emit a BOOKMARK now and then, so that a reader's resourceVersion keeps up. */
  bookmarks?: boolean;
  /** Least time between two bookmarks, in milliseconds; half a minute unless said otherwise. */
  bookmarkIntervalMs?: number;
}

export type WatchChange<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: Readonly<T> }
  | { type: 'BOOKMARK'; resourceVersion: string };

/** For whom a write is made. */
export interface Requested {
  /** Who asked from outside; absent where the server itself writes. */
  user?: Requester;
  /** Tells that client something beside the answer. */
  warn?: (text: string) => void;
  /** Adds to what is noted of the request in the audit log, where one is kept. */
  annotate?: (key: string, value: string) => void;
  /** What the options of an update are called: a patch has others. */
  updateOptionsKind?: 'UpdateOptions' | 'PatchOptions';
  /** The kind that the client named, where it is a view of the one that is written. */
  requestKind?: KindDefinition;
}

export interface BindOptions extends Requested {
  dryRun?: boolean;
}

export interface WriteOptions extends Requested {
  /** '' or absent: the object itself; otherwise e.g. `status`: only that part is taken from the caller. */
  subresource?: string;
  /** Validates and answers as if written; writes nothing. */
  dryRun?: boolean;
  /** Which client writes, for metadata.managedFields; absent for the server itself. */
  fieldManager?: string;
  /** The caller has set metadata.managedFields for this write: server-side apply does. */
  keepsOwners?: boolean;
}

export interface DeleteRequest extends Requested {
  gracePeriodSeconds?: number;
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  preconditions?: { uid?: string; resourceVersion?: string };
  dryRun?: boolean;
}
