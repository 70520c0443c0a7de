import type { NodeSelectorRequirement, NodeSelectorTerm } from '../../../protocol/generated/models.ts';
import type { NodeState } from '../node-state.ts';
import { definePlugin } from '../plugin.ts';

/** spec.nodeSelector and node affinity: required terms filter, preferred ones score. */
export const nodeAffinity = definePlugin({
  name: 'NodeAffinity',
  weight: 2,
  concerns: ({ pod: { spec } }) =>
    Object.keys(spec?.nodeSelector ?? {}).length > 0 || spec?.affinity?.nodeAffinity !== undefined,
  filter({ pod: { spec } }, node) {
    const selects = Object.entries(spec?.nodeSelector ?? {}).every(
      ([key, value]) => node.labels[key] === value,
    );
    const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const inTerms = !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node));
    return selects && inTerms ? undefined : "node(s) didn't match Pod's node affinity/selector";
  },
  score({ pod: { spec } }, node) {
    const preferred = spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
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
function matchesTerm(term: Readonly<NodeSelectorTerm>, { name, labels }: NodeState): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
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
      return compares(value, values[0], (left, right) => left > right);
    case 'Lt':
      return compares(value, values[0], (left, right) => left < right);
    default:
      return false;
  }
}

/** Only integers compare. */
function compares(
  value: string | undefined,
  limit: string | undefined,
  order: (left: bigint, right: bigint) => boolean,
): boolean {
  if (!isInteger(value) || !isInteger(limit)) return false;
  return order(BigInt(value), BigInt(limit));
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d{1,19}$/.test(text);
}
