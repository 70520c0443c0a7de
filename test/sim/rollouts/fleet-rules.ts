import assert from 'node:assert/strict';
import type { DaemonSet, Node, Pod, ReplicaSet } from '../../../protocol/generated/models.ts';
import type { RolloutPolicy, WorkloadRollout } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { isActive } from '../../conformance/control-plane/control-plane.ts';
import type { FleetChange, FleetHistory } from './fleet-history.ts';

export const policyAt = { namespace: 'default', name: 'careful' };
export const agentAt = { namespace: 'default', name: 'agent' };
/** Of the Deployment: 12 replicas and a quarter. */
const surgeMax = 15;
const batchOrder: readonly (string | undefined)[] = ['lab', 'near'];

/**
 * What must never be, whatever goes on. Each state that the store ever held is looked at, in order, not only those that last
 * until somebody looks.
 */
export class FleetRules {
  readonly #history: FleetHistory;
  /** By uid. */
  readonly #pods = new Map<string, Readonly<Pod>>();
  readonly #replicaSets = new Map<string, Readonly<ReplicaSet>>();
  /** Of the DaemonSet, by node. */
  readonly #agents = new Map<string, Set<string>>();
  /** Active pods of the Deployment, by the hash of their template. */
  readonly #web = new Map<string, Set<string>>();
  /** Whom nothing may replace: because nothing may be updated, or because their app has locked them. */
  readonly #kept = new Map<string, string>();
  /** By node. */
  readonly #sites = new Map<string, string | undefined>();
  /** By revision, the furthest batch that was ever open. */
  readonly #opened = new Map<string, number>();
  /** Of the DaemonSet, by image, as it was when it first had that. */
  readonly #templates = new Map<string, unknown>();
  #lastComplete: string | undefined;
  readonly #silent = new Set<string>();

  constructor(history: FleetHistory) {
    this.#history = history;
  }

  /** Checks what has happened so far. */
  look(): void {
    for (const change of this.#history.take()) this.#see(change);
  }

  /** All that are there now. */
  pods(): Iterable<Readonly<Pod>> {
    this.look();
    return this.#pods.values();
  }

  /** From now on none of these pods may be told to go, until `release`. */
  keep(why: string, pods: Iterable<Readonly<Pod>>): void {
    for (const pod of pods) this.#kept.set(storedMeta(pod).uid, why);
  }

  release(): void {
    this.look();
    this.#kept.clear();
  }

  /** From now on the device is out of reach. */
  silence(node: string): void {
    this.look();
    this.#silent.add(node);
  }

  hear(node: string): void {
    this.look();
    this.#silent.delete(node);
  }

  /** Whether each ReplicaSet of the Deployment has done what was asked of it, as far as it was to take pods away. */
  isShrunk(): boolean {
    this.look();
    return this.#replicaSets
      .values()
      .every((set) => (this.#web.get(hashOf(set))?.size ?? 0) <= (set.spec?.replicas ?? 0));
  }

  #see(change: FleetChange): void {
    switch (change.of) {
      case 'pod':
        return this.#seePod(change.object, change.gone);
      case 'node':
        return void this.#sites.set(storedMeta(change.object).name, siteOf(change.object));
      case 'replicaSet':
        return this.#seeReplicaSet(change.object, change.gone);
      case 'daemonSet':
        return this.#seeDaemonSet(change.object);
      case 'policy':
        return this.#seePolicy(change.object);
    }
  }

  #seePod(pod: Readonly<Pod>, gone: boolean): void {
    const { uid, name, labels = {} } = storedMeta(pod);
    if (gone) this.#pods.delete(uid);
    else this.#pods.set(uid, pod);
    const active = !gone && isActive(pod);
    if (labels['app'] === 'agent') this.#seeAgent(pod, gone);
    if (labels['app'] === 'web') this.#seeWeb(pod, active);
    if (labels['app'] === 'db' && gone)
      assert.ok(!this.#silent.has(pod.spec?.nodeName ?? ''), `never two of one ordinal: ${name}`);
    const why = this.#kept.get(uid);
    if (why !== undefined)
      assert.ok(active, `${why}: ${name} on ${pod.spec?.nodeName} is ${gone ? 'gone' : 'told to go'}`);
  }

  #seeAgent(pod: Readonly<Pod>, gone: boolean): void {
    const node = pod.spec?.nodeName;
    if (node === undefined) return;
    const there = put(this.#agents, node, storedMeta(pod).uid, !gone);
    assert.ok(there <= 1, `never two pods of the DaemonSet on a device: ${node}`);
    const opened = this.#opened.get(pod.metadata?.labels?.['controller-revision-hash'] ?? '');
    if (opened === undefined || gone) return;
    const at = batchOrder.indexOf(this.#sites.get(node));
    const batch = at < 0 ? batchOrder.length : at;
    assert.ok(batch <= opened, `never beyond the current batch: ${node} is of ${batch}, open is ${opened}`);
  }

  #seeWeb(pod: Readonly<Pod>, active: boolean): void {
    put(this.#web, hashOf(pod), storedMeta(pod).uid, active);
    const count = this.#web.values().reduce((sum, { size }) => sum + size, 0);
    assert.ok(count <= surgeMax, `never above the surge: ${count} pods`);
  }

  #seeReplicaSet(set: Readonly<ReplicaSet>, gone: boolean): void {
    if (gone) this.#replicaSets.delete(storedMeta(set).uid);
    else this.#replicaSets.set(storedMeta(set).uid, set);
    const asked = this.#replicaSets.values().reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
    assert.ok(asked <= surgeMax, `never above the surge: ${asked} replicas are asked for`);
  }

  #seeDaemonSet({ spec }: Readonly<DaemonSet>): void {
    const image = spec?.template.spec?.containers[0]?.image ?? '';
    const known = this.#templates.get(image);
    if (known === undefined) this.#templates.set(image, spec?.template);
    else assert.deepEqual(spec?.template, known, 'a rollback restores the earlier template exactly');
  }

  #seePolicy({ status }: Readonly<RolloutPolicy>): void {
    const rollout = status?.rollouts?.find(({ kind }) => kind === 'DaemonSet');
    if (!rollout) return;
    const { phase, revision, stableRevision } = rollout;
    if (phase === 'Complete') this.#lastComplete = revision;
    if (phase === 'RolledBack')
      assert.equal(revision, this.#lastComplete ?? revision, 'a rollback goes to what was complete before');
    const through = phase === 'Complete' || phase === 'RolledBack' || phase === 'RollingBack';
    const reached = through || !stableRevision ? batchOrder.length : indexOf(rollout);
    this.#opened.set(revision, Math.max(this.#opened.get(revision) ?? -1, reached));
  }
}

/** How many there are then. */
function put(map: Map<string, Set<string>>, key: string, uid: string, isIn: boolean): number {
  const uids = map.get(key) ?? new Set();
  map.set(key, uids);
  if (isIn) uids.add(uid);
  else uids.delete(uid);
  return uids.size;
}

function hashOf({ metadata }: Readonly<Pod | ReplicaSet>): string {
  return metadata?.labels?.['pod-template-hash'] ?? '';
}

function siteOf({ metadata }: Readonly<Node>): string | undefined {
  return metadata?.labels?.['site'];
}

function indexOf({ batch, phase }: WorkloadRollout): number {
  if (phase === 'Paused' || phase === 'Failed') return -1;
  const at = ['lab', 'near', 'half', 'rest'].indexOf(batch ?? '');
  return at < 0 ? -1 : Math.min(at, batchOrder.length);
}
