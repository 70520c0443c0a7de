import type {
  PodAffinityTerm,
  PodSpec,
  WeightedPodAffinityTerm,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import type { NodeState } from '../node-state.ts';
import { PlacedTerms } from '../placed-terms.ts';
import { definePlugin } from '../plugin.ts';
import { type Counts, PodCounts } from '../pod-counts.ts';
import type { PodRequest } from '../pod-request.ts';
import { type NamespaceLabels, type PodTerm, podTerm } from '../pod-terms.ts';

/** A required term of a placed pod counts so much when the neighbours of its pod are scored. */
const hardAffinityWeight = 1;

/**
 * Pods near to, or apart from, other pods (source: Kubernetes' documentation, Inter-pod affinity and anti-affinity).
 * It looks both ways: at what the pod wants of those that are there, and at what they want of it.
 */
export const interPodAffinity = definePlugin({
  name: 'InterPodAffinity',
  weight: 2,
  open({ fleet, cache }) {
    const namespaces = cache.informer(namespaceKind);
    const labelsOf: NamespaceLabels = (name) => namespaces.get(undefined, name)?.metadata?.labels;
    const counts = new PodCounts(fleet);
    const apart = new PlacedTerms(fleet, (pod) =>
      requiredTerms(pod, 'podAntiAffinity').map((term) => ({ ...podTerm(term, pod, labelsOf), weight: 1 })),
    );
    const wishes = new PlacedTerms(fleet, (pod) => wishesOf(pod, labelsOf));
    namespaces.onChange((change) => {
      if (change.type !== 'updated' || sameValue(change.old.metadata?.labels, change.object.metadata?.labels))
        return;
      counts.forgetAll();
    });
    const ask = (term: PodTerm) => counts.ask(term);
    return {
      judge(pod) {
        const near = requiredTerms(pod, 'podAffinity').map((term) => podTerm(term, pod, labelsOf));
        const far = requiredTerms(pod, 'podAntiAffinity').map((term) => podTerm(term, pod, labelsOf));
        const resented = apart.matching(pod);
        const wanted = preferredTerms(pod).map(({ term, weight }) => ({
          counts: ask(podTerm(term, pod, labelsOf)),
          weight,
        }));
        const welcomed = wishes.matching(pod);
        if (near.length + far.length + resented.length + wanted.length + welcomed.length === 0)
          return undefined;
        const nearCounts = near.map(ask);
        const farCounts = far.map(ask);
        const isFirst =
          nearCounts.every(({ total }) => total === 0) && near.every((term) => term.matches(pod));
        return {
          yieldsToPreemption: true,
          filter(node) {
            if (!isNear(nearCounts, near, node, isFirst)) return "node(s) didn't match pod affinity rules";
            if (farCounts.some((count) => (count.at(node) ?? 0) > 0))
              return "node(s) didn't match pod anti-affinity rules";
            if (resented.some((term) => term.weightAt(node) > 0))
              return "node(s) didn't satisfy existing pods anti-affinity rules";
            return undefined;
          },
          ...(wanted.length + welcomed.length === 0
            ? {}
            : { score: scoreBy([...wanted.map(weighed), ...welcomed]) }),
        };
      },
      helpedBy(waiting, other, what) {
        if (what === 'placed')
          return requiredTerms(waiting, 'podAffinity').some((term) =>
            podTerm(term, waiting, labelsOf).matches(other),
          );
        return (
          requiredTerms(waiting, 'podAntiAffinity').some((term) =>
            podTerm(term, waiting, labelsOf).matches(other),
          ) ||
          requiredTerms(other, 'podAntiAffinity').some((term) =>
            podTerm(term, other, labelsOf).matches(waiting),
          )
        );
      },
    };
  },
});

/** The first of a group that wants to be together goes anywhere in the topology. */
function isNear(
  counts: readonly Counts[],
  terms: readonly PodTerm[],
  node: NodeState,
  isFirst: boolean,
): boolean {
  if (isFirst) return terms.every(({ topologyKey }) => node.labels[topologyKey] !== undefined);
  return counts.every((count) => (count.at(node) ?? 0) > 0);
}

/** What draws a pod to a node, or (below zero) drives it away. */
interface Pull {
  weightAt(node: NodeState): number;
  readonly most: number;
  readonly least: number;
}

function weighed({ counts, weight }: { counts: Counts; weight: number }): Pull {
  return {
    weightAt: (node) => weight * (counts.at(node) ?? 0),
    most: Math.max(0, weight * counts.max),
    least: Math.min(0, weight * counts.max),
  };
}

/** All pulls together, between what they could add up to at the least (0) and at the most (100). */
function scoreBy(pulls: readonly Pull[]): (node: NodeState) => number {
  const most = pulls.reduce((sum, pull) => sum + pull.most, 0);
  const least = pulls.reduce((sum, pull) => sum + pull.least, 0);
  return (node) => {
    if (most === least) return 0;
    const sum = pulls.reduce((total, pull) => total + pull.weightAt(node), 0);
    return (100 * (sum - least)) / (most - least);
  };
}

function requiredTerms(
  { pod }: PodRequest,
  kind: 'podAffinity' | 'podAntiAffinity',
): readonly PodAffinityTerm[] {
  return pod.spec?.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}

function preferredTerms({ pod: { spec } }: PodRequest): { term: PodAffinityTerm; weight: number }[] {
  const terms = (kind: 'podAffinity' | 'podAntiAffinity', sign: 1 | -1) =>
    weightedTerms(spec, kind).map(({ podAffinityTerm: term, weight }) => ({ term, weight: sign * weight }));
  return [...terms('podAffinity', 1), ...terms('podAntiAffinity', -1)];
}

function weightedTerms(
  spec: Readonly<PodSpec> | undefined,
  kind: 'podAffinity' | 'podAntiAffinity',
): readonly WeightedPodAffinityTerm[] {
  return spec?.affinity?.[kind]?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

/** What a placed pod would like of pods that come. */
function wishesOf(pod: PodRequest, labelsOf: NamespaceLabels): (PodTerm & { weight: number })[] {
  const hard = requiredTerms(pod, 'podAffinity').map((term) => ({ term, weight: hardAffinityWeight }));
  return [...hard, ...preferredTerms(pod)].map(({ term, weight }) => ({
    ...podTerm(term, pod, labelsOf),
    weight,
  }));
}
