import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { type KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import {
  policyWorkloadsMax,
  type RolloutPolicy,
  rolloutPolicyAnnotation,
  rolloutPolicyKind,
  type WorkloadRollout,
} from '../../../protocol/kinds/rollout-policy.ts';
import { objectKey, splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import type { Informer } from '../../cache/informer.ts';
import type { ControllerContext } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import { WriteFence } from '../write-fence.ts';
import { summarize } from './summarize.ts';
import { tellProgress } from './tell-progress.ts';

/** What a workload follows: 'none' nothing, 'held' a policy that is not there or has no room for it. */
export type PolicyOf = Readonly<RolloutPolicy> | 'none' | 'held';

/**
 * The RolloutPolicies that the workloads of one kind name, and what stands in their status about those workloads.
 * Each workload's entry is written by that workload's controller alone.
 */
export class PolicyBook<O extends KubernetesObject> {
  readonly #context: ControllerContext;
  readonly #kind: KindDefinition<O>;
  readonly #policies: Informer<RolloutPolicy>;
  readonly #fence: WriteFence<RolloutPolicy>;

  /** Queues a workload when its policy changes, or what stands there about it. */
  constructor(
    context: ControllerContext,
    {
      kind,
      owners,
      enqueue,
    }: { kind: KindDefinition<O>; owners: Informer<O>; enqueue: (key: string) => void },
  ) {
    this.#context = context;
    this.#kind = kind;
    this.#policies = context.cache.informer(rolloutPolicyKind);
    this.#fence = new WriteFence(this.#policies);
    if (!this.#policies.hasIndex(byWorkload)) this.#policies.addIndex(byWorkload, workloadsIn);
    owners.addIndex(byPolicy, (owner) => {
      const policy = policyNameOf(owner);
      return policy === undefined ? [] : [`${owner.metadata?.namespace}/${policy}`];
    });
    context.follow(this.#policies, (change) => {
      const { object } = change;
      const old = change.type === 'updated' ? change.old : undefined;
      const ruled = !old || !sameValue(old.spec, object.spec);
      if (ruled) for (const owner of owners.byIndex(byPolicy, objectKey(object))) enqueue(objectKey(owner));
      for (const name of changedWorkloads(kind.kind, old, object))
        enqueue(`${object.metadata?.namespace}/${name}`);
    });
  }

  isSettled(key: string): boolean {
    return this.#fence.isOpen(key);
  }

  policyOf(owner: Readonly<O>): PolicyOf {
    const name = policyNameOf(owner);
    if (name === undefined) return 'none';
    const policy = this.#policies.get(owner.metadata?.namespace, name);
    const full = (policy?.status?.rollouts?.length ?? 0) >= policyWorkloadsMax;
    if (policy && (!full || this.rolloutOf(policy, owner))) return policy;
    const message = policy
      ? `RolloutPolicy ${name} has ${policyWorkloadsMax} workloads already; nothing is updated`
      : `RolloutPolicy ${name} not found; nothing is updated until it is there or the annotation is removed`;
    const reason = policy ? 'RolloutPolicyFull' : 'RolloutPolicyNotFound';
    this.#context.events.record(this.#kind, owner, { type: 'Warning', reason, message });
    return 'held';
  }

  rolloutOf(policy: Readonly<RolloutPolicy>, owner: Readonly<O>): Readonly<WorkloadRollout> | undefined {
    const { name } = storedMeta(owner);
    return policy.status?.rollouts?.find(
      (rollout) => rollout.kind === this.#kind.kind && rollout.name === name,
    );
  }

  /** Writes what has changed, and tells of it. */
  async save(
    key: string,
    owner: Readonly<O>,
    { policy, rollout }: { policy: Readonly<RolloutPolicy>; rollout: WorkloadRollout },
  ): Promise<void> {
    const before = this.rolloutOf(policy, owner);
    const observed = policy.status?.observedGeneration === policy.metadata?.generation;
    if (observed && sameValue(before, rollout)) return;
    await this.#change(key, policy, (others) => [...others, rollout]);
    tellProgress(this.#context.events, { kind: this.#kind, owner, policy, before, rollout });
  }

  /** Removes what stands about the workload in policies that it does not follow. `owner`: undefined when it is gone. */
  async clean(key: string, owner?: Readonly<O>): Promise<void> {
    if (!owner) this.#fence.forget(key);
    const { namespace } = splitKey(key);
    const followed = owner && policyNameOf(owner);
    for (const policy of this.#policies.byIndex(byWorkload, `${this.#kind.kind}/${key}`)) {
      if (policy.metadata?.namespace !== namespace || policy.metadata?.name === followed) continue;
      await this.#change(key, policy, (others) => others);
    }
  }

  async #change(
    key: string,
    policy: Readonly<RolloutPolicy>,
    make: (others: WorkloadRollout[]) => WorkloadRollout[],
  ): Promise<void> {
    const { uid } = storedMeta(policy);
    const { name } = splitKey(key);
    const nowMs = this.#context.clock.now();
    const change = (draft: RolloutPolicy) => {
      if (draft.metadata?.uid !== uid) return;
      const others = (draft.status?.rollouts ?? []).filter(
        (rollout) => rollout.kind !== this.#kind.kind || rollout.name !== name,
      );
      draft.status = summarize(draft, make(others), nowMs);
    };
    const written = await this.#context.registry
      .mutate(rolloutPolicyKind, nameOf(policy), change, { subresource: 'status' })
      .catch(ignoreGone);
    if (written) this.#fence.wrote(key, written);
  }
}

const byPolicy = 'rolloutPolicy';
const byWorkload = 'rolloutWorkload';

function workloadsIn({ metadata, status }: Readonly<RolloutPolicy>): string[] {
  return (status?.rollouts ?? []).map(({ kind, name }) => `${kind}/${metadata?.namespace}/${name}`);
}

function policyNameOf(owner: Readonly<KubernetesObject>): string | undefined {
  return owner.metadata?.annotations?.[rolloutPolicyAnnotation] || undefined;
}

function changedWorkloads(
  kind: string,
  old: Readonly<RolloutPolicy> | undefined,
  policy: Readonly<RolloutPolicy>,
): string[] {
  const before = new Map(
    (old?.status?.rollouts ?? []).map((rollout) => [`${rollout.kind}/${rollout.name}`, rollout]),
  );
  return (policy.status?.rollouts ?? [])
    .filter((rollout) => rollout.kind === kind)
    .filter((rollout) => !sameValue(before.get(`${kind}/${rollout.name}`), rollout))
    .map(({ name }) => name);
}
