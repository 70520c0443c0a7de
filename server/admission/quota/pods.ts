import type {
  Affinity,
  Container,
  Pod,
  PodAffinityTerm,
  ScopedResourceSelectorRequirement,
} from '../../../protocol/generated/models.ts';
import { heldSpec } from '../../../protocol/kinds/pod-spec/held-resources.ts';
import { podLimits, podRequests, qosClassOf } from '../../../protocol/kinds/pod-spec/resources.ts';
import { parseQuantity, type Quantity } from '../../../protocol/quantity.ts';
import { one } from './amounts.ts';
import { matchesName } from './scopes.ts';
import type { Evaluator, Usage } from './usage.ts';

/** Source of names and rules: k8s.io/kubernetes/pkg/quota/v1/evaluator/core, pods. */
const computed = new Set(['cpu', 'memory', 'ephemeral-storage']);
const covered = new Set([
  'pods',
  ...[...computed].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
]);
const isHugePages = (name: string) => name.startsWith('hugepages-');
/** Amounts that every container must say where a quota limits them. */
const demanded = new Set(['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']);

export const podEvaluator: Evaluator = {
  covers: (name) =>
    covered.has(name) ||
    isHugePages(name) ||
    name.startsWith('requests.hugepages-') ||
    (name.startsWith('requests.') && name.includes('/')),
  usage(object) {
    const pod = object as Pod;
    const spec = heldSpec(pod);
    if (!spec || isOver(pod)) return new Map();
    return new Map([['pods', one], ...usedBy(podRequests(spec), podLimits(spec))]);
  },
  isInScope: (object, scope) => isInScope(object as Pod, scope),
  missing: (object, names) => missingOf(object as Pod, names),
  charges: ({ operation, subresource }) =>
    (operation === 'CREATE' && subresource === '') || (operation === 'UPDATE' && subresource === 'resize'),
};

/** What has ended uses nothing any more, though it still counts as an object. */
function isOver({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

type Amounts = Readonly<Record<string, string>>;

function usedBy(requests: Amounts, limits: Amounts): Usage {
  const used = new Map<string, Quantity>();
  for (const [name, text] of Object.entries(requests)) {
    const amount = parseQuantity(text);
    if (computed.has(name) || isHugePages(name)) used.set(name, amount);
    if (computed.has(name) || isHugePages(name) || name.includes('/')) used.set(`requests.${name}`, amount);
  }
  for (const [name, text] of Object.entries(limits))
    if (computed.has(name)) used.set(`limits.${name}`, parseQuantity(text));
  return used;
}

function isInScope(pod: Pod, scope: ScopedResourceSelectorRequirement): boolean {
  const { spec } = pod;
  if (!spec) return false;
  const isBounded = (spec.activeDeadlineSeconds ?? -1) >= 0;
  switch (scope.scopeName) {
    case 'Terminating':
      return isBounded;
    case 'NotTerminating':
      return !isBounded;
    case 'BestEffort':
      return qosClassOf(spec) === 'BestEffort';
    case 'NotBestEffort':
      return qosClassOf(spec) !== 'BestEffort';
    case 'PriorityClass':
      return matchesName(scope, spec.priorityClassName ? [spec.priorityClassName] : []);
    case 'CrossNamespacePodAffinity':
      return reachesOtherNamespaces(spec.affinity);
    default:
      return false;
  }
}

function reachesOtherNamespaces(affinity: Affinity | undefined): boolean {
  const kinds = [affinity?.podAffinity, affinity?.podAntiAffinity];
  const terms = kinds.flatMap((kind): PodAffinityTerm[] => [
    ...(kind?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(kind?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((each) => each.podAffinityTerm),
  ]);
  return terms.some(
    ({ namespaces, namespaceSelector }) => (namespaces ?? []).length > 0 || namespaceSelector !== undefined,
  );
}

function missingOf({ spec }: Pod, names: readonly string[]): string | undefined {
  const wanted = names.filter((name) => demanded.has(name)).sort();
  if (!spec || wanted.length === 0) return undefined;
  const parts: Pick<Container, 'name' | 'resources'>[] = spec.resources
    ? [{ name: 'pod', resources: spec.resources }]
    : [...spec.containers, ...(spec.initContainers ?? [])];
  const said = wanted.flatMap((name) => {
    const silent = parts.filter(
      ({ resources }) => !usedBy(resources?.requests ?? {}, resources?.limits ?? {}).has(name),
    );
    const whose = silent.map((part) => part.name).sort();
    return whose.length > 0 ? [`${name} for: ${whose.join(',')}`] : [];
  });
  return said.length > 0 ? `must specify ${said.join('; ')}` : undefined;
}
