import type {
  Autoscalingv2HorizontalPodAutoscaler as HorizontalPodAutoscaler,
  MetricStatus,
  Pod,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { horizontalPodAutoscalerKind } from '../../../protocol/kinds/horizontal-pod-autoscaler.ts';
import type { KindSet } from '../../../protocol/kinds/kind-set.ts';
import { podKind } from '../../../protocol/kinds/pod.ts';
import { objectKey, splitKey, timestamp } from '../../../protocol/kinds/stored-object.ts';
import { type LabelMatcher, parseLabelSelector } from '../../../protocol/selectors.ts';
import type { Informer } from '../../cache/informer.ts';
import { type ControllerContext, type ControllerDefinition, defineController } from '../define-controller.ts';
import { ignoreGone } from '../expected-failures.ts';
import { addOnce, byNamespace } from '../indexes.ts';
import { nameOf } from '../object-name.ts';
import { noteChange, type ScalingHistory } from './limit-change.ts';
import type { OtherMetrics } from './metric-reading.ts';
import {
  type AutoscalerPlan,
  type ConditionChange,
  needsMetrics,
  planAutoscaler,
  withConditions,
} from './plan.ts';
import { readMetrics, type UsageSource } from './read-metrics.ts';

export interface HorizontalPodAutoscalerOptions {
  usage: UsageSource;
  others: OtherMetrics;
}

/** Kubernetes' `--horizontal-pod-autoscaler-sync-period`. */
const syncPeriodMs = 15_000;

/** Looks at every autoscaler every 15 seconds; what it remembers of each is lost with the server, as in Kubernetes. */
export function horizontalPodAutoscalerController(
  options: HorizontalPodAutoscalerOptions,
): ControllerDefinition {
  return defineController({
    name: 'horizontal-pod-autoscaler',
    workers: 5,
    setup(context, enqueue) {
      const autoscalers = context.cache.informer(horizontalPodAutoscalerKind);
      const pods = context.cache.informer(podKind);
      addOnce(pods, byNamespace);
      const work: Work = { ...options, context, pods, remembered: new Map() };
      context.follow(autoscalers, (change) => {
        const own = change.type === 'updated' && sameValue(change.object.spec, change.old.spec);
        if (!own) enqueue(objectKey(change.object));
      });
      return async (key) => {
        const { namespace = '', name } = splitKey(key);
        const autoscaler = autoscalers.get(namespace, name);
        if (!autoscaler) return void work.remembered.delete(key);
        if (autoscaler.metadata?.deletionTimestamp !== undefined) return;
        await reconcile(work, key, autoscaler);
        return { requeueAfterMs: syncPeriodMs };
      };
    },
  });
}

interface Work extends HorizontalPodAutoscalerOptions {
  context: ControllerContext;
  pods: Informer<Pod>;
  /** By the autoscaler's key. */
  remembered: Map<string, Remembered>;
}

interface Remembered {
  history: ScalingHistory;
  /** The pods that it scales, to see when two autoscalers scale the same. */
  selector: LabelMatcher | undefined;
}

const nothingRemembered: Remembered = {
  history: { recommendations: [], ups: [], downs: [] },
  selector: undefined,
};

interface Target {
  kind: KindDefinition;
  object: KubernetesObject;
  replicas: number;
  selector: string;
}

async function reconcile(
  work: Work,
  key: string,
  autoscaler: Readonly<HorizontalPodAutoscaler>,
): Promise<void> {
  const { context } = work;
  const target = await findTarget(context, autoscaler);
  if ('error' in target)
    return fail(work, autoscaler, { type: 'AbleToScale', reason: 'FailedGetScale', ...target });
  const before = work.remembered.get(key) ?? nothingRemembered;
  const chosen = choosePods(work, key, target);
  work.remembered.set(key, { ...before, selector: chosen.selector });
  const measured = needsMetrics(autoscaler.spec, target.replicas);
  if (measured && 'refusal' in chosen)
    return fail(work, autoscaler, { type: 'ScalingActive', ...chosen.refusal }, target.replicas);
  const pods = 'pods' in chosen ? chosen.pods : [];
  const { namespace = '' } = autoscaler.metadata ?? {};
  const readings = measured
    ? await readMetrics(autoscaler.spec.metrics ?? [], {
        usage: work.usage,
        others: work.others,
        namespace,
        labelSelector: target.selector,
        pods,
      })
    : [];
  const plan = planAutoscaler({
    autoscaler,
    currentReplicas: target.replicas,
    pods,
    readings,
    history: before.history,
    nowMs: context.clock.now(),
  });
  await execute(work, key, { autoscaler, target, plan });
}

async function execute(
  work: Work,
  key: string,
  {
    autoscaler,
    target,
    plan,
  }: { autoscaler: Readonly<HorizontalPodAutoscaler>; target: Target; plan: AutoscalerPlan },
): Promise<void> {
  const { registry, clock, events } = work.context;
  const nowMs = clock.now();
  for (const warning of plan.warnings)
    events.record(horizontalPodAutoscalerKind, autoscaler, { type: 'Warning', ...warning });
  const conditions = [...plan.conditions];
  const { desiredReplicas = target.replicas, rescale } = plan;
  let { history } = plan;
  let failure: unknown;
  if (rescale !== undefined) {
    const size = `New size: ${desiredReplicas}; reason: ${rescale}`;
    const set = (draft: KubernetesObject) => target.kind.scale?.setReplicas(draft, desiredReplicas);
    try {
      await registry.mutate(target.kind, nameOf(target.object), set, { subresource: 'scale' });
      history = noteChange(history, target.replicas, desiredReplicas, nowMs);
      const message = `the HPA controller was able to update the target scale to ${desiredReplicas}`;
      conditions.push({ type: 'AbleToScale', status: 'True', reason: 'SucceededRescale', message });
      const occurrence = { type: 'Normal', reason: 'SuccessfulRescale', message: size } as const;
      events.record(horizontalPodAutoscalerKind, autoscaler, occurrence);
    } catch (error) {
      failure = error;
      const words = error instanceof Error ? error.message : String(error);
      const message = `the HPA controller was unable to update the target scale: ${words}`;
      conditions.push({ type: 'AbleToScale', status: 'False', reason: 'FailedUpdateScale', message });
      const occurrence = {
        type: 'Warning',
        reason: 'FailedRescale',
        message: `${size}; error: ${words}`,
      } as const;
      events.record(horizontalPodAutoscalerKind, autoscaler, occurrence);
    }
  }
  const remembered = work.remembered.get(key) ?? nothingRemembered;
  work.remembered.set(key, { ...remembered, history });
  const scaled = rescale !== undefined && failure === undefined;
  await writeStatus(work.context, autoscaler, {
    currentReplicas: target.replicas,
    desiredReplicas: failure === undefined ? desiredReplicas : target.replicas,
    conditions,
    metrics: plan.metrics,
    ...(scaled ? { lastScaleTime: timestamp(nowMs) } : {}),
  });
  if (failure !== undefined) throw failure;
}

/** Tells why nothing can be done this time. */
async function fail(
  { context }: Work,
  autoscaler: Readonly<HorizontalPodAutoscaler>,
  { type, reason, error }: { type: ConditionChange['type']; reason: string; error: string },
  currentReplicas = autoscaler.status?.currentReplicas ?? 0,
): Promise<void> {
  const message =
    type === 'AbleToScale'
      ? `the HPA controller was unable to get the target's current scale: ${error}`
      : error;
  context.events.record(horizontalPodAutoscalerKind, autoscaler, { type: 'Warning', reason, message: error });
  await writeStatus(context, autoscaler, {
    currentReplicas,
    desiredReplicas: autoscaler.status?.desiredReplicas ?? 0,
    conditions: [{ type, status: 'False', reason, message }],
    metrics: autoscaler.status?.currentMetrics ?? [],
  });
}

async function writeStatus(
  { registry, clock }: ControllerContext,
  autoscaler: Readonly<HorizontalPodAutoscaler>,
  facts: {
    currentReplicas: number;
    desiredReplicas: number;
    conditions: readonly ConditionChange[];
    metrics: readonly MetricStatus[];
    lastScaleTime?: string;
  },
): Promise<void> {
  const { conditions, metrics, ...counts } = facts;
  const uid = autoscaler.metadata?.uid;
  const change = (draft: HorizontalPodAutoscaler) => {
    if (draft.metadata?.uid !== uid) return;
    draft.status = {
      ...draft.status,
      ...counts,
      currentMetrics: [...metrics],
      conditions: withConditions(draft.status?.conditions ?? [], conditions, clock.now()),
    };
  };
  await registry
    .mutate(horizontalPodAutoscalerKind, nameOf(autoscaler), change, { subresource: 'status' })
    .catch(ignoreGone);
}

async function findTarget(
  { registry, kinds }: ControllerContext,
  { spec, metadata }: Readonly<HorizontalPodAutoscaler>,
): Promise<Target | { error: string }> {
  const { apiVersion = 'v1', kind: kindName, name } = spec.scaleTargetRef;
  const kind = scalableKind(kinds, apiVersion, kindName);
  if (!kind?.scale) return { error: `no matches for kind "${kindName}" in group "${groupOf(apiVersion)}"` };
  try {
    const object = await registry.get(kind, { namespace: metadata?.namespace ?? '', name });
    const { scale } = kind;
    return { kind, object, replicas: scale.replicas(object), selector: scale.selector(object) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

/** The version need not be the one that is stored. */
function scalableKind(kinds: KindSet, apiVersion: string, name: string): KindDefinition | undefined {
  const group = groupOf(apiVersion);
  for (const kind of kinds) if (kind.group === group && kind.kind === name && kind.scale) return kind;
  return undefined;
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

type Chosen = { selector: LabelMatcher | undefined } & (
  | { pods: Readonly<Pod>[] }
  | { refusal: { reason: string; error: string } }
);

/** The target's pods, unless it cannot be said which they are or another autoscaler scales them too. */
function choosePods({ pods, remembered }: Work, key: string, { object, selector: text }: Target): Chosen {
  const { namespace = '' } = object.metadata ?? {};
  if (text === '') {
    const error = "the HPA target's scale is missing a selector";
    return { selector: undefined, refusal: { reason: 'InvalidSelector', error } };
  }
  const selector = parseLabelSelector(text);
  const chosen = pods.byIndex(byNamespace.name, namespace).filter((pod) => selector(pod.metadata?.labels));
  const rivals = [...remembered].filter(
    ([other, { selector: matches }]) =>
      other !== key &&
      splitKey(other).namespace === namespace &&
      matches !== undefined &&
      chosen.some((pod) => matches(pod.metadata?.labels)),
  );
  if (rivals.length === 0) return { selector, pods: chosen };
  const names = [key, ...rivals.map(([other]) => other)].sort().join(' ');
  const error = `pods by selector ${text} are controlled by multiple HPAs: [${names}]`;
  return { selector, refusal: { reason: 'AmbiguousSelector', error } };
}
