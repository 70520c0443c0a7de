import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { podDisruptionBudgetKind } from '../../../protocol/kinds/pod-disruption-budget.ts';
import { splitKey, storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { selectorText } from '../../../protocol/selectors.ts';
import { type ControllerContext, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { nameOf } from '../object-name.ts';
import { WriteFence } from '../write-fence.ts';
import { BudgetTallies, type Tally } from './budget-tallies.ts';
import { expectedScale } from './expected-scale.ts';
import { type BudgetFacts, type BudgetPlan, needsScale, planBudget } from './plan.ts';

/** Keeps each PodDisruptionBudget's status, from which the eviction API grants. */
export const disruptionController = defineController({
  name: 'disruption',
  workers: 2,
  setup(context, enqueue) {
    const { cache, clock } = context;
    const budgets = cache.informer(podDisruptionBudgetKind);
    const pods = cache.informer(podKind);
    const fence = new WriteFence(budgets);
    const tallies = new BudgetTallies(context, enqueue);

    return async (key) => {
      const { namespace = '', name } = splitKey(key);
      const budget = budgets.get(namespace, name);
      if (!budget) return fence.forget(key);
      if (!fence.isOpen(key)) return WriteFence.retry;
      const tally = tallies.of(key);
      const scale = needsScale(budget) ? await expectedScale(context, namespace, tally) : noScale;
      const podNamed = (pod: string) => (tally.has(pod) ? pods.get(namespace, pod) : undefined);
      const plan = planBudget(budget, { tally, podNamed, scale, nowMs: clock.now() });
      tellAbout(context, budget, { tally, scale, plan });
      const written = await writeStatus(context, budget, plan.status);
      if (written) fence.wrote(key, written);
      return plan.wakeAfterMs === undefined ? undefined : { requeueAfterMs: plan.wakeAfterMs };
    };
  },
});

const noScale = { expected: 0, unmanaged: 0 };

function tellAbout(
  { events }: ControllerContext,
  budget: Readonly<PodDisruptionBudget>,
  { tally, scale, plan }: { tally: Tally; scale: BudgetFacts['scale']; plan: BudgetPlan },
): void {
  const tell = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    events.record(podDisruptionBudgetKind, budget, { type, reason, message });
  if (tally.total === 0) tell('Normal', 'NoPods', 'No matching pods found');
  if ('failure' in scale) {
    const message = `Failed to calculate the number of expected pods: ${scale.failure}`;
    tell('Warning', 'CalculateExpectedPodCountFailed', message);
  } else if (scale.unmanaged > 0) {
    tell('Warning', 'UnmanagedPods', unmanagedText(selectorText(budget.spec?.selector)));
  }
  const { namespace, name } = storedMeta(budget);
  const message = `Pod was expected by PDB ${namespace}/${name} to be deleted but it wasn't`;
  for (const pod of plan.notDeleted)
    events.record(podKind, pod, { type: 'Warning', reason: 'NotDeleted', message });
}

function unmanagedText(selector: string): string {
  return (
    `Pods selected by this PodDisruptionBudget (selector: ${selector}) were found to be unmanaged. As a result, ` +
    'the status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for ' +
    'these pods please set ".spec.minAvailable" field of the PDB to an integer value.'
  );
}

/** Not over an eviction that was granted since the plan was made: its change has queued the budget again. */
async function writeStatus(
  { registry }: ControllerContext,
  budget: Readonly<PodDisruptionBudget>,
  status: PodDisruptionBudgetStatus,
): Promise<PodDisruptionBudget | undefined> {
  if (sameValue(budget.status, status)) return undefined;
  const { uid } = storedMeta(budget);
  const change = (draft: PodDisruptionBudget) => {
    if (draft.metadata?.uid === uid && sameValue(draft.status, budget.status)) draft.status = status;
  };
  return registry
    .mutate(podDisruptionBudgetKind, nameOf(budget), change, { subresource: 'status' })
    .catch(ignoreGone);
}
