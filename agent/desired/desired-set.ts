import type { SetEntry } from '../../protocol/topics/sync.ts';

/** What this device shall run: the last accepted desired state, on disk before anything acts on it. */
export interface DesiredSet {
  /** '' before the first set was accepted. */
  readonly epoch: string;
  readonly revision: number;
  readonly hash: string;
  /** By key: `Pod/<uid>`, `ConfigMap/<namespace>/<name>`, `Secret/<namespace>/<name>`. */
  readonly entries: ReadonlyMap<string, SetEntry>;
  /** Called after a change is on disk, with the keys that were put or deleted. */
  onChange(handler: (keys: ReadonlySet<string>) => void): Disposable;
}
