import type {
  LabelSelector,
  Node,
  NodeSelectorTerm,
  Pod,
  PodSpec,
} from '../../../protocol/generated/models.ts';
import { compileLabelSelector } from '../../../protocol/selectors.ts';

/**
 * On a ReplicaSet of a Deployment whose rollout has come to batches by label only: selectors of the nodes where its new
 * pods go and where surplus ones are taken first.
 */
export const batchNodesAnnotation = 'fleet.flotilla.dev/batch-nodes';

export function writeBatchNodes(
  annotations: Record<string, string>,
  nodes: readonly LabelSelector[] | undefined,
): Record<string, string> {
  const { [batchNodesAnnotation]: _before, ...others } = annotations;
  return nodes ? { ...others, [batchNodesAnnotation]: JSON.stringify(nodes) } : others;
}

/** Undefined when nothing is said, or nothing that can be read. */
export function readBatchNodes(
  annotations: Readonly<Record<string, string>> | undefined,
): readonly LabelSelector[] | undefined {
  const text = annotations?.[batchNodesAnnotation];
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? (value as LabelSelector[]) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a pod stands on one of the nodes. */
export function onNodes(
  selectors: readonly LabelSelector[],
  nodeOf: (name: string) => Readonly<Node> | undefined,
): (pod: Readonly<Pod>) => boolean {
  const matchers = selectors.map((selector) => compileLabelSelector(selector));
  return ({ spec }) => {
    const node = spec?.nodeName ? nodeOf(spec.nodeName) : undefined;
    return node !== undefined && matchers.some((matches) => matches(node.metadata?.labels));
  };
}

/** Lets the pod go to one of the nodes only, in place, besides what it asks for itself. */
export function requireNodes(spec: PodSpec, selectors: readonly LabelSelector[]): void {
  const own = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  const ours = selectors.map(termOf);
  const nodeSelectorTerms = own ? own.flatMap((term) => ours.map((one) => bothTerms(term, one))) : ours;
  spec.affinity = {
    ...spec.affinity,
    nodeAffinity: {
      ...spec.affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms },
    },
  };
}

function termOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): NodeSelectorTerm {
  const labels = Object.entries(matchLabels).map(([key, value]) => ({
    key,
    operator: 'In',
    values: [value],
  }));
  return { matchExpressions: [...labels, ...matchExpressions] };
}

function bothTerms(one: NodeSelectorTerm, other: NodeSelectorTerm): NodeSelectorTerm {
  return {
    ...one,
    matchExpressions: [...(one.matchExpressions ?? []), ...(other.matchExpressions ?? [])],
  };
}
