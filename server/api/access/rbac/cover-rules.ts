import type { PolicyRule } from '../../../../protocol/generated/models.ts';
import { coversResource, hasOrAll, urlCovers } from './match-rule.ts';

/** Comparisons of two words that one request may cost: about a tenth of a second. */
export const comparisonsMax = 20_000_000;

/** One verb on one resource (of one name, perhaps) or one URL. */
export interface AtomicRule {
  verb: string;
  group?: string;
  resource?: string;
  name?: string;
  url?: string;
}

/**
 * What `wanted` allows that `held` does not, one verb and one thing at a time. A rule that no single held rule
 * covers as a whole may be covered by several (source: k8s.io/component-helpers/auth/rbac/validation, Covers).
 * Undefined: too many to tell.
 */
export function missingRules(
  held: readonly Readonly<PolicyRule>[],
  wanted: readonly Readonly<PolicyRule>[],
): AtomicRule[] | undefined {
  const heldWords = sum(held, wordCount);
  if (heldWords * sum(wanted, wordCount) > comparisonsMax) return undefined;
  const open = wanted.filter((rule) => !held.some((one) => coversWhole(one, rule)));
  const count = sum(open, atomicCount);
  if (count * Math.max(heldWords, atomCost) > comparisonsMax) return undefined;
  return open.flatMap(atomicRules).filter((atom) => !held.some((one) => coversAtom(one, atom)));
}

function coversAtom(rule: Readonly<PolicyRule>, { verb, group, resource, name, url }: AtomicRule): boolean {
  if (!hasOrAll(rule.verbs, verb)) return false;
  if (url !== undefined) return (rule.nonResourceURLs ?? []).some((pattern) => urlCovers(pattern, url));
  const { resourceNames = [] } = rule;
  return (
    hasOrAll(rule.apiGroups, group ?? '') &&
    coversResource(rule.resources, resource ?? '') &&
    (resourceNames.length === 0 || (name !== undefined && resourceNames.includes(name)))
  );
}

function coversWhole(held: Readonly<PolicyRule>, wanted: Readonly<PolicyRule>): boolean {
  const { apiGroups = [], resources = [], resourceNames = [], nonResourceURLs = [] } = wanted;
  if (
    held.resourceNames &&
    held.resourceNames.length > 0 &&
    resourceNames.length === 0 &&
    resources.length > 0
  )
    return false;
  return (
    wanted.verbs.every((verb) => hasOrAll(held.verbs, verb)) &&
    apiGroups.every((group) => hasOrAll(held.apiGroups, group)) &&
    resources.every((resource) => coversResource(held.resources, resource)) &&
    resourceNames.every(
      (name) => (held.resourceNames ?? []).length === 0 || held.resourceNames?.includes(name),
    ) &&
    nonResourceURLs.every((url) => (held.nonResourceURLs ?? []).some((pattern) => urlCovers(pattern, url)))
  );
}

/** Making and describing one costs about as much as this many comparisons. */
const atomCost = 100;

function sum<T>(values: readonly T[], of: (value: T) => number): number {
  return values.reduce((total, value) => total + of(value), 0);
}

function wordCount({
  verbs,
  apiGroups,
  resources,
  resourceNames,
  nonResourceURLs,
}: Readonly<PolicyRule>): number {
  return sum([verbs, apiGroups, resources, resourceNames, nonResourceURLs], (list) => list?.length ?? 0);
}

function atomicCount({
  verbs,
  apiGroups,
  resources,
  resourceNames,
  nonResourceURLs,
}: Readonly<PolicyRule>): number {
  const things =
    (apiGroups?.length ?? 0) * (resources?.length ?? 0) * Math.max(1, resourceNames?.length ?? 0);
  return verbs.length * (things + (nonResourceURLs?.length ?? 0));
}

function atomicRules({
  verbs,
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: PolicyRule): AtomicRule[] {
  const names = resourceNames.length === 0 ? [undefined] : resourceNames;
  const onResources = apiGroups.flatMap((group) =>
    resources.flatMap((resource) =>
      names.flatMap((name) =>
        verbs.map((verb) => ({ verb, group, resource, ...(name === undefined ? {} : { name }) })),
      ),
    ),
  );
  return [...onResources, ...nonResourceURLs.flatMap((url) => verbs.map((verb) => ({ verb, url })))];
}

/** One line for each thing with all its missing verbs, as Kubernetes writes them, sorted. */
export function describeMissing(missing: readonly AtomicRule[]): string {
  const byThing = Map.groupBy(missing, ({ verb: _verb, ...thing }) => thingText(thing));
  return [...byThing]
    .map(([thing, atoms]) => `{${thing}, Verbs:${goList([...new Set(atoms.map(({ verb }) => verb))])}}`)
    .sort()
    .join('\n');
}

function thingText({ group, resource, name, url }: Omit<AtomicRule, 'verb'>): string {
  if (url !== undefined) return `NonResourceURLs:${goList([url])}`;
  const names = name === undefined ? '' : `, ResourceNames:${goList([name])}`;
  return `APIGroups:${goList([group ?? ''])}, Resources:${goList([resource ?? ''])}${names}`;
}

/** A list of strings as Go's %q prints it. */
export function goList(values: readonly string[]): string {
  return `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
}
