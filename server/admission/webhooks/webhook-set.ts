import { once } from '../../../lib/once.ts';
import { admissionCompiler, webhookVariables } from '../../../protocol/cel/admission-expression.ts';
import type { MutatingWebhook } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { AdmissionContext } from '../define-admission.ts';
import { type CompiledSet, compiledSet } from '../matching/compiled-set.ts';
import { type Criteria, compileCriteria } from '../matching/criteria.ts';
import { followEquivalentKinds } from '../matching/equivalent-kinds.ts';
import { type CompiledConditions, compileConditions } from '../matching/match-conditions.ts';

/** A webhook of either kind of configuration; validating ones have no reinvocationPolicy. */
export interface Hook {
  /** Of its configuration and its place in that: unlike that of any other. */
  id: string;
  /** As the audit log names it: `round_0_index_<place among all>`. */
  place: string;
  webhook: MutatingWebhook;
  criteria: Criteria;
  conditions: CompiledConditions | undefined;
}

/** Configurations by name, each with its webhooks in their order. */
export type HookSet = Pick<CompiledSet<Hook>, 'list' | 'concern'>;

interface Configuration extends KubernetesObject {
  webhooks?: MutatingWebhook[];
}

/** The webhooks of all configurations of a kind, as the cache has them. */
export function followHooks<T extends Configuration>(
  { cache, kinds }: Pick<AdmissionContext, 'cache' | 'kinds'>,
  kind: KindDefinition<T>,
): HookSet {
  const equivalents = followEquivalentKinds(kinds);
  const compiler = once(() => admissionCompiler(webhookVariables));
  const configurations = cache.informer(kind);

  function compiled(): Omit<Hook, 'place'>[] {
    const sorted: Readonly<Configuration>[] = [...configurations.list()];
    return sorted.sort(byName).flatMap(({ metadata, webhooks = [] }) =>
      webhooks.map((webhook, index): Omit<Hook, 'place'> => {
        const { rules = [], matchPolicy, namespaceSelector, objectSelector, matchConditions } = webhook;
        return {
          id: `${metadata?.uid ?? ''}/${index}`,
          webhook,
          criteria: compileCriteria(
            {
              rules,
              ...(matchPolicy === undefined ? {} : { matchPolicy }),
              ...(namespaceSelector ? { namespaceSelector } : {}),
              ...(objectSelector ? { objectSelector } : {}),
            },
            equivalents,
          ),
          conditions:
            matchConditions && matchConditions.length > 0
              ? compileConditions(matchConditions, compiler())
              : undefined,
        };
      }),
    );
  }

  const set = compiledSet(() =>
    compiled().map((hook, index) => ({ ...hook, place: `round_0_index_${index}` })),
  );
  configurations.onChange(set.forget);
  kinds.onChange(set.forget);
  return set;
}

function byName(a: Readonly<Configuration>, b: Readonly<Configuration>): number {
  const [left = '', right = ''] = [a.metadata?.name, b.metadata?.name];
  return left < right ? -1 : Number(left > right);
}
