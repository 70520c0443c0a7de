import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from './generated/models.ts';

/** As much of a node as selecting it reads. */
export interface SelectableNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether spec.nodeSelector and the required node affinity allow the node. */
export function selectsNode(spec: Readonly<PodSpec> | undefined, node: SelectableNode): boolean {
  const selects = Object.entries(spec?.nodeSelector ?? {}).every(
    ([key, value]) => node.labels[key] === value,
  );
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return selects && (!required || required.nodeSelectorTerms.some((term) => matchesNodeTerm(term, node)));
}

/** The only nodes that the required affinity leaves, by name; undefined when it names none. */
export function namedNodes(spec: Readonly<PodSpec> | undefined): readonly string[] | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!required) return undefined;
  const names = new Set<string>();
  for (const { matchFields = [] } of required.nodeSelectorTerms) {
    const byName = matchFields.find(({ key, operator }) => key === 'metadata.name' && operator === 'In');
    if (!byName) return undefined;
    for (const name of byName.values ?? []) names.add(name);
  }
  return [...names];
}

/** A term without any requirement matches nothing (Kubernetes' rule). */
export function matchesNodeTerm(term: Readonly<NodeSelectorTerm>, { name, labels }: SelectableNode): boolean {
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
