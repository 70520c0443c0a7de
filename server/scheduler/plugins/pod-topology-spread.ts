import type { PodSpec, TopologySpreadConstraint } from '../../../protocol/generated/models.ts';
import { selectsNode } from '../../../protocol/node-selection.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';
import { bucketOf } from '../label-buckets.ts';
import type { NodeState } from '../node-state.ts';
import { OwnerSpread, ownerOf, type Spread } from '../owner-spread.ts';
import { definePlugin } from '../plugin.ts';
import { type Counts, PodCounts, type Question } from '../pod-counts.ts';
import type { PodRequest } from '../pod-request.ts';
import { narrowed } from '../pod-terms.ts';
import { isTolerated } from './taint-toleration.ts';

const refusal = "node(s) didn't match pod topology spread constraints";
const missingLabel = `${refusal} (missing required label)`;

/**
 * spec.topologySpreadConstraints: DoNotSchedule filters, ScheduleAnyway scores (source: Kubernetes' documentation, Pod
 * Topology Spread Constraints). Pods without any are spread over nodes and zones a little, by their owner.
 */
export const podTopologySpread = definePlugin({
  name: 'PodTopologySpread',
  weight: 2,
  open({ fleet }) {
    const counts = new PodCounts(fleet);
    const owners = new OwnerSpread(fleet, ['kubernetes.io/hostname', 'topology.kubernetes.io/zone']);
    return {
      judge(pod) {
        const constraints = pod.pod.spec?.topologySpreadConstraints ?? [];
        if (constraints.length === 0) return judgeByOwner(pod, owners);
        const keys = constraints.map(({ topologyKey }) => topologyKey);
        const asked = constraints.map((constraint) => {
          const question = questionOf(constraint, pod, keys);
          return { constraint, counts: counts.ask(question), own: question.matches(pod) ? 1 : 0 };
        });
        const hard = asked.filter(({ constraint }) => constraint.whenUnsatisfiable === 'DoNotSchedule');
        const soft = asked.filter(({ constraint }) => constraint.whenUnsatisfiable !== 'DoNotSchedule');
        return {
          yieldsToPreemption: true,
          filter: (node) => firstViolation(hard, node),
          ...(soft.length === 0
            ? {}
            : {
                score: (node) =>
                  evenness(
                    soft.map((entry) => entry.counts),
                    node,
                  ),
              }),
        };
      },
      helpedBy(waiting, other) {
        const constraints = waiting.pod.spec?.topologySpreadConstraints ?? [];
        return constraints.some(
          (constraint) =>
            constraint.whenUnsatisfiable === 'DoNotSchedule' &&
            other.namespace === waiting.namespace &&
            compileLabelSelector(narrowed(constraint, waiting.labels))(other.labels),
        );
      },
    };
  },
});

interface Asked {
  constraint: TopologySpreadConstraint;
  counts: Counts;
  /** 1 when the pod counts itself. */
  own: number;
}

function firstViolation(asked: readonly Asked[], node: NodeState): string | undefined {
  for (const { constraint, counts, own } of asked) {
    const here = counts.at(node);
    if (here === undefined) return missingLabel;
    const least = counts.domains < (constraint.minDomains ?? 1) ? 0 : counts.min;
    if (here + own - least > constraint.maxSkew) return refusal;
  }
  return undefined;
}

/** 100 where there are fewest, 0 where there are most or no domain is. */
function evenness(counts: readonly Spread[], node: NodeState): number {
  let sum = 0;
  for (const count of counts) {
    const here = count.at(node);
    if (here !== undefined) sum += count.max === 0 ? 100 : (100 * (count.max - here)) / count.max;
  }
  return sum / counts.length;
}

/** As a namespace's worth of neighbours is many, the owner tells which pods are replicas of each other. */
function judgeByOwner(pod: PodRequest, owners: OwnerSpread) {
  const uid = ownerOf(pod);
  if (uid === undefined) return undefined;
  const spread = owners.of(uid);
  return { score: (node: NodeState) => evenness(spread, node) };
}

function questionOf(
  constraint: TopologySpreadConstraint,
  pod: PodRequest,
  keys: readonly string[],
): Question {
  const { topologyKey, nodeAffinityPolicy = 'Honor', nodeTaintsPolicy = 'Ignore' } = constraint;
  const { spec } = pod.pod;
  const selector = narrowed(constraint, pod.labels);
  const matches = compileLabelSelector(selector);
  const policies = {
    ...(nodeAffinityPolicy === 'Honor' ? { selection: selectionOf(spec) } : {}),
    ...(nodeTaintsPolicy === 'Honor' ? { tolerations: spec?.tolerations ?? [] } : {}),
  };
  return {
    key: JSON.stringify([topologyKey, pod.namespace, selector, keys, policies]),
    topologyKey,
    matches: ({ namespace, labels, isTerminating }) =>
      !isTerminating && namespace === pod.namespace && matches(labels),
    includes: (node) =>
      keys.every((key) => node.labels[key] !== undefined) &&
      (nodeAffinityPolicy !== 'Honor' || selectsNode(spec, node)) &&
      (nodeTaintsPolicy !== 'Honor' ||
        node.hardTaints.every((taint) => isTolerated(spec?.tolerations, taint))),
    bucket: bucketOf([pod.namespace], selector),
  };
}

function selectionOf(spec: Readonly<PodSpec> | undefined): unknown {
  return [spec?.nodeSelector, spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution];
}
