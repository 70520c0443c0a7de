import assert from 'node:assert/strict';
import type { Pod } from '../../../protocol/generated/models.ts';
import { daemonSetKind } from '../../../protocol/kinds/daemon-set.ts';
import { nodeKind } from '../../../protocol/kinds/node.ts';
import { replicaSetKind } from '../../../protocol/kinds/replica-set.ts';
import { rolloutPolicyKind, type WorkloadRollout } from '../../../protocol/kinds/rollout-policy.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { type ControlPlane, isActive } from '../../conformance/control-plane/control-plane.ts';

export const policyAt = { namespace: 'default', name: 'careful' };
export const agentAt = { namespace: 'default', name: 'agent' };
/** Of the Deployment: 12 replicas and a quarter. */
const surgeMax = 15;
const batchOrder: readonly (string | undefined)[] = ['lab', 'near'];

/** What must never be seen, whatever goes on. One look is taken after each step of time. */
export class FleetRules {
  readonly #plane: ControlPlane;
  /** While nothing may be updated: the pods that were there when that began. */
  #held: Map<string, Pod> | undefined;
  /** Pods that their app has locked. */
  readonly locked = new Set<string>();
  /** By node. */
  readonly #sites = new Map<string, string | undefined>();
  readonly #opened = new Map<string, number>();
  readonly #templates = new Map<string, unknown>();
  /** Devices that are out of reach. */
  readonly silent = new Set<string>();
  #looksAboveSurge = 0;
  #ordinals = new Map<string, { uid: string; node: string }>();

  constructor(plane: ControlPlane) {
    this.#plane = plane;
  }

  /** From now on none of these pods may be replaced, until `release`. */
  async hold(which: (pod: Pod) => boolean): Promise<void> {
    this.#held = new Map((await this.#pods()).filter(which).map((pod) => [storedMeta(pod).uid, pod]));
  }

  release(): void {
    this.#held = undefined;
  }

  async look(): Promise<void> {
    const pods = await this.#pods();
    const { items: nodes } = await this.#plane.registry.list(nodeKind, {});
    for (const node of nodes) this.#sites.set(storedMeta(node).name, node.metadata?.labels?.['site']);
    const { status } = await this.#plane.registry.get(rolloutPolicyKind, policyAt);
    const rollouts = status?.rollouts ?? [];
    await this.#note(rollouts.find(({ kind }) => kind === 'DaemonSet'));
    this.#onePodANode(pods);
    this.#notBeyondTheBatch(pods);
    await this.#notAboveSurge(pods);
    this.#locksAreKept(pods);
    this.#heldIsHeld(pods);
    this.#ordinalsStay(pods);
  }

  async #pods(): Promise<Pod[]> {
    return this.#plane.pods();
  }

  async #note(rollout: WorkloadRollout | undefined): Promise<void> {
    if (!rollout) return;
    const { template } = (await this.#plane.registry.get(daemonSetKind, agentAt)).spec ?? {};
    const settled = rollout.phase === 'RolledBack' || rollout.phase === 'Complete';
    const known = this.#templates.get(rollout.revision);
    if (rollout.phase === 'Complete' && !known) this.#templates.set(rollout.revision, template);
    if (rollout.phase === 'RolledBack' && known)
      assert.deepEqual(template, known, 'a rollback restores the earlier revision exactly');
    const through = settled || rollout.phase === 'RollingBack' || !rollout.stableRevision;
    const reached = through ? batchOrder.length : indexOf(rollout);
    const before = this.#opened.get(rollout.revision) ?? -1;
    this.#opened.set(rollout.revision, Math.max(before, reached));
  }

  #onePodANode(pods: readonly Pod[]): void {
    const nodes = pods.filter(isOf('agent')).flatMap(({ spec }) => spec?.nodeName ?? []);
    assert.equal(new Set(nodes).size, nodes.length, 'never two pods of the DaemonSet on a device');
  }

  #notBeyondTheBatch(pods: readonly Pod[]): void {
    for (const pod of pods.filter(isOf('agent'))) {
      const opened = this.#opened.get(pod.metadata?.labels?.['controller-revision-hash'] ?? '');
      const node = pod.spec?.nodeName;
      if (opened === undefined || node === undefined) continue;
      const at = batchOrder.indexOf(this.#sites.get(node));
      const batch = at < 0 ? batchOrder.length : at;
      assert.ok(
        batch <= opened,
        `never beyond the current batch: ${node} is of batch ${batch}, open is ${opened}`,
      );
    }
  }

  /** Never asked for; pods of a set that was given up while they were made are gone by the next look. */
  async #notAboveSurge(pods: readonly Pod[]): Promise<void> {
    const { items } = await this.#plane.registry.list(replicaSetKind, {});
    const asked = items.reduce((sum, { spec }) => sum + (spec?.replicas ?? 0), 0);
    assert.ok(asked <= surgeMax, `never above the surge: ${asked} replicas are asked for`);
    const web = pods.filter(isOf('web')).filter(isActive).length;
    const above = web > surgeMax ? this.#looksAboveSurge + 1 : 0;
    this.#looksAboveSurge = above;
    assert.ok(above < 2, `never above the surge: ${web} pods`);
  }

  #locksAreKept(pods: readonly Pod[]): void {
    const byUid = new Map(pods.map((pod) => [storedMeta(pod).uid, pod]));
    for (const uid of this.locked) {
      const pod = byUid.get(uid);
      assert.ok(
        pod && pod.metadata?.deletionTimestamp === undefined,
        `a held lock is respected: ${uid} ${pod?.metadata?.name ?? 'gone'}`,
      );
    }
  }

  #heldIsHeld(pods: readonly Pod[]): void {
    if (!this.#held) return;
    const byUid = new Map(pods.map((pod) => [storedMeta(pod).uid, pod]));
    for (const [uid, before] of this.#held) {
      if (!isOf('agent')(before) && !isOf('web')(before)) continue;
      if (before.metadata?.deletionTimestamp !== undefined) continue;
      const now = byUid.get(uid);
      assert.ok(
        now && now.metadata?.deletionTimestamp === undefined,
        `what is held replaces nothing: ${before.metadata?.name} on ${before.spec?.nodeName}`,
      );
    }
  }

  /** What a silent device may still run keeps its name: there is no second one of its ordinal. */
  #ordinalsStay(pods: readonly Pod[]): void {
    const now = new Map(
      pods
        .filter(isOf('db'))
        .map((pod) => [storedMeta(pod).name, { uid: storedMeta(pod).uid, node: pod.spec?.nodeName ?? '' }]),
    );
    for (const [name, { uid, node }] of this.#ordinals)
      if (this.silent.has(node)) assert.equal(now.get(name)?.uid, uid, `never two of one ordinal: ${name}`);
    this.#ordinals = now;
  }
}

function indexOf({ batch, phase }: WorkloadRollout): number {
  if (phase === 'Paused' || phase === 'Failed') return -1;
  const at = ['lab', 'near', 'half', 'rest'].indexOf(batch ?? '');
  return at < 0 ? -1 : Math.min(at, batchOrder.length);
}

function isOf(app: string): (pod: Pod) => boolean {
  return ({ metadata }) => metadata?.labels?.['app'] === app;
}
