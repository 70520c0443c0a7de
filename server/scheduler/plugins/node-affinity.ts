import type { NodeSelectorRequirement, NodeSelectorTerm } from '../../../protocol/generated/models.ts';
import type { NodeState } from '../node-state.ts';
import { definePlugin } from '../plugin.ts';

/** spec.nodeSelector and node affinity: required terms filter, preferred ones score. */
export const nodeAffinity = definePlugin({
  name: 'NodeAffinity',
  weight: 2,
  filter({ pod }, node) {
    const labels = node.node.metadata?.labels ?? {};
    const selects = Object.entries(pod.spec?.nodeSelector ?? {}).every(
      ([key, value]) => labels[key] === value,
    );
    const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const inTerms = !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
    return selects && inTerms ? undefined : "node(s) didn't match Pod's node affinity/selector";
  },
  score({ pod }, node) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const total = preferred.reduce((sum, term) => sum + term.weight, 0);
    if (total === 0) return 0;
    const met = preferred.reduce(
      (sum, term) => sum + (matchesTerm(term.preference, node) ? term.weight : 0),
      0,
    );
    return (100 * met) / total;
  },
});

/** A term without any requirement matches nothing (Kubernetes' rule). */
function matchesTerm(term: Readonly<NodeSelectorTerm>, { name, node }: NodeState): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  const labels = node.metadata?.labels ?? {};
  return (
    expressions.every((requirement) => meets(requirement, labels[requirement.key])) &&
    fields.every((requirement) => requirement.key === 'metadata.name' && meets(requirement, name))
  );
}

function meets(requirement: Readonly<NodeSelectorRequirement>, value: string | undefined): boolean {
  const values = requirement.values ?? [];
  switch (requirement.operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
      return value !== undefined && Number(value) > Number(values[0]);
    case 'Lt':
      return value !== undefined && Number(value) < Number(values[0]);
    default:
      return false;
  }
}
