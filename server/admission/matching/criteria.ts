import type { LabelSelector, NamedRuleWithOperations } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { namespaceKind } from '../../../protocol/kinds/namespace.ts';
import { compileLabelSelector, type LabelMatcher } from '../../../protocol/selectors.ts';
import type { AdmissionRequest, AdmissionSubject } from '../../registry/admission.ts';
import { isOneOf } from '../is-one-of.ts';
import type { EquivalentKinds } from './equivalent-kinds.ts';
import { matchesRule } from './match-rule.ts';

/** Which writes a webhook, policy or binding is about. */
export interface CriteriaSource {
  rules?: readonly NamedRuleWithOperations[];
  exclude?: readonly NamedRuleWithOperations[];
  /** Absent: the requested kind alone. */
  matchPolicy?: string;
  namespaceSelector?: LabelSelector;
  objectSelector?: LabelSelector;
}

export interface Criteria {
  /** Whether writes of this sort may be among them; quick, and never wrong with a no. */
  mayMatch(subject: AdmissionSubject): boolean;
  /** The kind as which they are seen: the requested one where a rule names that. Undefined: they are not matched. */
  match(request: AdmissionRequest, namespaceOf: NamespaceOf): Promise<KindDefinition | undefined>;
}

/** The namespace that a request is in; undefined where it is in none. Throws NotFound. */
export type NamespaceOf = () => Promise<Readonly<KubernetesObject> | undefined>;

/** `rules` absent: what binds a policy narrows what that matches, by rules only where it has some. */
export function compileCriteria(source: CriteriaSource, equivalents: EquivalentKinds): Criteria {
  const { rules, exclude = [], matchPolicy } = source;
  const inNamespace = selectorOf(source.namespaceSelector);
  const ofObject = selectorOf(source.objectSelector);
  const candidates = (kind: KindDefinition) =>
    matchPolicy === 'Equivalent' ? [kind, ...equivalents(kind).filter((one) => one !== kind)] : [kind];

  function kindFor(request: AdmissionRequest): KindDefinition | undefined {
    const { requestKind, operation, subresource, name } = request;
    const subject = (kind: KindDefinition) => ({ kind, operation, subresource, name });
    const matched = (list: readonly NamedRuleWithOperations[]) =>
      candidates(requestKind).find((kind) => list.some((rule) => matchesRule(rule, subject(kind))));
    if (matched(exclude)) return undefined;
    return rules ? matched(rules) : requestKind;
  }

  return {
    mayMatch: ({ kind, operation, subresource }) =>
      !rules ||
      equivalents(kind).some((one) =>
        rules.some((rule) => matchesRule(rule, { kind: one, operation, subresource })),
      ),
    async match(request, namespaceOf) {
      const kind = kindFor(request);
      if (!kind) return undefined;
      if (inNamespace && !(await matchesNamespace(inNamespace, request, namespaceOf))) return undefined;
      return !ofObject || matchesObject(ofObject, request) ? kind : undefined;
    },
  };
}

/** Undefined for a selector that lets everything through. */
function selectorOf(selector: LabelSelector | undefined): LabelMatcher | undefined {
  if (!selector) return undefined;
  const { matchLabels = {}, matchExpressions = [] } = selector;
  if (Object.keys(matchLabels).length + matchExpressions.length === 0) return undefined;
  return compileLabelSelector(selector);
}

/** A namespace counts as being in itself; what is in none is not asked about. */
async function matchesNamespace(
  matches: LabelMatcher,
  request: AdmissionRequest,
  namespaceOf: NamespaceOf,
): Promise<boolean> {
  if (isOneOf(request.kind, namespaceKind) && request.subresource === '')
    return matches((request.object ?? request.oldObject)?.metadata?.labels);
  const namespace = await namespaceOf();
  return !namespace || matches(namespace.metadata?.labels);
}

function matchesObject(matches: LabelMatcher, { object, oldObject }: AdmissionRequest): boolean {
  return [object, oldObject].some((one) => one?.metadata !== undefined && matches(one.metadata.labels));
}
