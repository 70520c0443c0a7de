import { createHash } from 'node:crypto';
import type { DaemonSet, Node, Pod, ReplicaSet } from '../../../protocol/generated/models.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { type RolloutPolicy, rolloutPolicyKind } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import type { Registry } from '../../../server/registry/registry.ts';
import type { Store } from '../../../server/store/store.ts';

/** One state that the store held, as it was committed. */
export type FleetChange = { revision: number; gone: boolean } & (
  | { of: 'pod'; object: Readonly<Pod> }
  | { of: 'node'; object: Readonly<Node> }
  | { of: 'replicaSet'; object: Readonly<ReplicaSet> }
  | { of: 'daemonSet'; object: Readonly<DaemonSet> }
  | { of: 'policy'; object: Readonly<RolloutPolicy> }
);

/** Every change of what the rules are about, in the order of its commit, whatever the kind. */
export class FleetHistory implements AsyncDisposable {
  readonly #registry: Registry;
  readonly #stop = new AbortController();
  readonly #following: Promise<void>[] = [];
  #unread: FleetChange[] = [];

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#follow(podKind, (object) => ({ of: 'pod', object }));
    this.#follow(nodeKind, (object) => ({ of: 'node', object }));
    this.#follow(replicaSetKind, (object) => ({ of: 'replicaSet', object }));
    this.#follow(daemonSetKind, (object) => ({ of: 'daemonSet', object }));
    this.#follow(rolloutPolicyKind, (object) => ({ of: 'policy', object }));
  }

  /** What came since the last call. */
  take(): FleetChange[] {
    const taken = this.#unread;
    this.#unread = [];
    return taken.sort((a, b) => a.revision - b.revision);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#following);
  }

  #follow<T extends KubernetesObject>(kind: KindDefinition<T>, tag: (object: Readonly<T>) => Tagged): void {
    const read = async () => {
      for await (const change of this.#registry.watch(kind, { signal: this.#stop.signal })) {
        if (change.type === 'BOOKMARK') continue;
        const revision = Number(storedMeta(change.object).resourceVersion);
        this.#unread.push({ revision, gone: change.type === 'DELETED', ...tag(change.object) });
      }
    };
    this.#following.push(read());
  }
}

type Tagged =
  | { of: 'pod'; object: Readonly<Pod> }
  | { of: 'node'; object: Readonly<Node> }
  | { of: 'replicaSet'; object: Readonly<ReplicaSet> }
  | { of: 'daemonSet'; object: Readonly<DaemonSet> }
  | { of: 'policy'; object: Readonly<RolloutPolicy> };

/** A digest of all that was ever written, byte for byte, and its order: two runs that agree in it did the same. */
export async function traceOf(store: Store): Promise<string> {
  const digest = createHash('sha256');
  const stop = new AbortController();
  for await (const { events } of store.watch('', 0, { signal: stop.signal })) {
    for (const { revision, type, key, value } of events) {
      digest.update(`${revision} ${type} ${key} ${value?.byteLength ?? 0}\n`);
      if (value) digest.update(value);
    }
    break;
  }
  return digest.digest('hex');
}
