import { once } from '../../../lib/once.ts';
import {
  type AdmissionCompiler,
  admissionCompiler,
  policyVariables,
} from '../../../protocol/cel/admission-expression.ts';
import type { MatchResources, ParamRef } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { AdmissionContext } from '../define-admission.ts';
import { type CompiledSet, compiledSet } from '../matching/compiled-set.ts';
import { type Criteria, compileCriteria } from '../matching/criteria.ts';
import { type EquivalentKinds, followEquivalentKinds } from '../matching/equivalent-kinds.ts';

interface PolicyObject extends KubernetesObject {
  spec?: { matchConstraints?: MatchResources };
}

interface BindingObject extends KubernetesObject {
  spec?: { policyName?: string; matchResources?: MatchResources; paramRef?: ParamRef };
}

export interface Bound<B> {
  binding: Readonly<B>;
  criteria: Criteria | undefined;
}

/** A policy that is in force: one that nothing binds is not. */
export interface BoundPolicy<P, B, C> {
  policy: Readonly<P>;
  compiled: C;
  criteria: Criteria;
  bindings: readonly Bound<B>[];
}

/** By name. */
export type PolicySet<P, B, C> = Pick<CompiledSet<BoundPolicy<P, B, C>>, 'list' | 'concern'>;

/** The policies of a kind with their bindings, as the cache has them; compiled when they change. */
export function followPolicies<P extends PolicyObject, B extends BindingObject, C>(
  { cache, kinds }: Pick<AdmissionContext, 'cache' | 'kinds'>,
  { policyKind, bindingKind }: { policyKind: KindDefinition<P>; bindingKind: KindDefinition<B> },
  compile: (policy: Readonly<P>, compiler: AdmissionCompiler) => C,
): PolicySet<P, B, C> {
  const equivalents = followEquivalentKinds(kinds);
  const compiler = once(() => admissionCompiler(policyVariables));
  const policies = cache.informer(policyKind);
  const bindings = cache.informer(bindingKind);
  function compiled(): readonly BoundPolicy<P, B, C>[] {
    const byPolicy = Map.groupBy(bindings.list(), ({ spec }) => spec?.policyName ?? '');
    return [...policies.list()].sort(byName).flatMap((policy) => {
      const own = byPolicy.get(policy.metadata?.name ?? '');
      const { matchConstraints } = policy.spec ?? {};
      if (!own || !matchConstraints) return [];
      return [
        {
          policy,
          compiled: compile(policy, compiler()),
          criteria: criteriaOf(matchConstraints, equivalents),
          bindings: own.sort(byName).map((binding) => {
            const { matchResources } = binding.spec ?? {};
            return { binding, criteria: matchResources && criteriaOf(matchResources, equivalents) };
          }),
        },
      ];
    });
  }

  const set = compiledSet(compiled);
  policies.onChange(set.forget);
  bindings.onChange(set.forget);
  kinds.onChange(set.forget);
  return set;
}

function criteriaOf(match: MatchResources, equivalents: EquivalentKinds): Criteria {
  const { resourceRules = [], excludeResourceRules: exclude, ...rest } = match;
  return compileCriteria(
    {
      ...rest,
      ...(resourceRules.length > 0 ? { rules: resourceRules } : {}),
      ...(exclude ? { exclude } : {}),
    },
    equivalents,
  );
}

interface Named {
  readonly metadata?: { readonly name?: string } | undefined;
}

function byName(a: Named, b: Named): number {
  const [left = '', right = ''] = [a.metadata?.name, b.metadata?.name];
  return left < right ? -1 : Number(left > right);
}
