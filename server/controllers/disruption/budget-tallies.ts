import type { Pod, PodDisruptionBudget } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { OwnerReference } from '../../../protocol/kinds/define-kind.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../../../protocol/kinds/pod-disruption-budget.ts';
import { controllerOf, objectKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';
import type { CacheChange, Informer } from '../../cache/informer.ts';
import type { ControllerContext } from '../define-controller.ts';
import { addOnce, byNamespace } from '../indexes.ts';
import { isPodReady } from '../pod-state.ts';

/** What a budget counts of the pods that it selects. */
export interface Tally {
  readonly total: number;
  /** Ready, and not told to go. */
  readonly healthy: number;
  readonly unmanaged: number;
  /** Who controls them, each with one of its pods. */
  owners(): { reference: OwnerReference; pod: string }[];
  has(podName: string): boolean;
}

const byFirstPair = 'budget-pair';
const anyPair = '*';

/**
 * What every PodDisruptionBudget counts, kept true as pods and budgets change. A change of a pod costs the budgets that may
 * select it, one of a selector the pods of its namespace; asking costs nothing.
 */
export class BudgetTallies {
  readonly #budgets: Informer<PodDisruptionBudget>;
  readonly #pods: Informer<Pod>;
  readonly #tallies = new Map<string, BudgetTally>();
  readonly #changed: (budgetKey: string) => void;

  /** `changed` hears of every budget that may count differently now, and of every change of a budget. */
  constructor(
    { cache, follow }: Pick<ControllerContext, 'cache' | 'follow'>,
    changed: (budgetKey: string) => void,
  ) {
    this.#changed = changed;
    this.#budgets = cache.informer(podDisruptionBudgetKind);
    this.#pods = cache.informer(podKind);
    this.#budgets.addIndex(byFirstPair, ({ metadata, spec }) => {
      const [pair = anyPair] = pairsOf(spec?.selector?.matchLabels).sort();
      return [`${metadata?.namespace ?? ''}/${pair}`];
    });
    addOnce(this.#pods, byNamespace);
    follow(this.#budgets, (change) => this.#onBudget(change));
    follow(this.#pods, (change) => this.#onPod(change));
  }

  of(budgetKey: string): Tally {
    return this.#tallies.get(budgetKey) ?? new BudgetTally(() => false);
  }

  #onBudget(change: CacheChange<PodDisruptionBudget>): void {
    const { object } = change;
    const key = objectKey(object);
    if (change.type === 'deleted') this.#tallies.delete(key);
    else if (change.type === 'added' || !sameValue(change.old.spec?.selector, object.spec?.selector)) {
      const tally = new BudgetTally(compileLabelSelector(object.spec?.selector));
      for (const pod of this.#pods.byIndex(byNamespace.name, object.metadata?.namespace ?? ''))
        tally.count(pod);
      this.#tallies.set(key, tally);
    }
    this.#changed(key);
  }

  #onPod(change: CacheChange<Pod>): void {
    if (!isNews(change)) return;
    const { object } = change;
    const before = change.type === 'updated' ? change.old.metadata?.labels : undefined;
    for (const key of this.#concerned(object, before)) {
      const tally = this.#tallies.get(key);
      if (!tally) continue;
      const wasIn = tally.has(storedMeta(object).name);
      if (change.type === 'deleted') tally.drop(object);
      else tally.count(object);
      if (wasIn || tally.has(storedMeta(object).name)) this.#changed(key);
    }
  }

  /** Keys of the budgets that may select the pod, or may have. */
  #concerned({ metadata }: Readonly<Pod>, before: Readonly<Record<string, string>> = {}): Set<string> {
    const namespace = metadata?.namespace ?? '';
    const pairs = new Set([anyPair, ...pairsOf(metadata?.labels), ...pairsOf(before)]);
    const found = [...pairs].flatMap((pair) => this.#budgets.byIndex(byFirstPair, `${namespace}/${pair}`));
    return new Set(found.map(objectKey));
  }
}

function pairsOf(labels: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}

/** Whether a budget may count the pod differently. */
function isNews(change: CacheChange<Pod>): boolean {
  if (change.type !== 'updated') return true;
  const { old, object } = change;
  return (
    isHealthy(old) !== isHealthy(object) ||
    (old.metadata?.deletionTimestamp === undefined) !== (object.metadata?.deletionTimestamp === undefined) ||
    controllerOf(old)?.uid !== controllerOf(object)?.uid ||
    !sameValue(old.metadata?.labels, object.metadata?.labels)
  );
}

function isHealthy(pod: Readonly<Pod>): boolean {
  return pod.metadata?.deletionTimestamp === undefined && isPodReady(pod);
}

interface Owner {
  reference: OwnerReference;
  pods: Set<string>;
}

class BudgetTally implements Tally {
  readonly #matches: (labels: Readonly<Record<string, string>> | undefined) => boolean;
  /** By name of the pod: whether it is healthy, and uid of its controller. */
  readonly #pods = new Map<string, { healthy: boolean; owner: string | undefined }>();
  readonly #owners = new Map<string, Owner>();
  healthy = 0;
  unmanaged = 0;

  constructor(matches: (labels: Readonly<Record<string, string>> | undefined) => boolean) {
    this.#matches = matches;
  }

  get total(): number {
    return this.#pods.size;
  }

  owners(): { reference: OwnerReference; pod: string }[] {
    return [...this.#owners.values()].map(({ reference, pods: [pod = ''] }) => ({ reference, pod }));
  }

  has(podName: string): boolean {
    return this.#pods.has(podName);
  }

  count(pod: Readonly<Pod>): void {
    this.drop(pod);
    if (!this.#matches(pod.metadata?.labels)) return;
    const { name } = storedMeta(pod);
    const reference = controllerOf(pod);
    const healthy = isHealthy(pod);
    this.#pods.set(name, { healthy, owner: reference?.uid });
    if (healthy) this.healthy += 1;
    if (!reference) {
      this.unmanaged += 1;
      return;
    }
    const owner = this.#owners.get(reference.uid);
    if (owner) owner.pods.add(name);
    else this.#owners.set(reference.uid, { reference, pods: new Set([name]) });
  }

  drop(pod: Readonly<Pod>): void {
    const { name } = storedMeta(pod);
    const known = this.#pods.get(name);
    if (!known) return;
    this.#pods.delete(name);
    if (known.healthy) this.healthy -= 1;
    if (known.owner === undefined) this.unmanaged -= 1;
    const owner = known.owner === undefined ? undefined : this.#owners.get(known.owner);
    owner?.pods.delete(name);
    if (known.owner !== undefined && owner?.pods.size === 0) this.#owners.delete(known.owner);
  }
}
