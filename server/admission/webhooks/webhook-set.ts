import { once } from '../../../lib/once.ts';
import { admissionCompiler, webhookVariables } from '../../../protocol/cel/admission-expression.ts';
import type { MutatingWebhook } from '../../../protocol/generated/models.ts';
import type { KindDefinition, KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import type { AdmissionSubject } from '../../registry/admission.ts';
import type { AdmissionContext } from '../define-admission.ts';
import { type Criteria, compileCriteria } from '../matching/criteria.ts';
import { followEquivalentKinds } from '../matching/equivalent-kinds.ts';
import { isExempt } from '../matching/exempt-kinds.ts';
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

export interface HookSet {
  /** Whether any of them may be asked about such a write. */
  concern(subject: AdmissionSubject): boolean;
  /** Configurations by name, each with its webhooks in their order. */
  list(): readonly Hook[];
}

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
  let hooks: readonly Hook[] | undefined;
  const concerned = new Map<string, boolean>();
  const forget = () => {
    hooks = undefined;
    concerned.clear();
  };
  configurations.onChange(forget);
  kinds.onChange(forget);

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

  const list = () =>
    (hooks ??= compiled().map((hook, index) => ({ ...hook, place: `round_0_index_${index}` })));
  return {
    list,
    concern(subject) {
      if (list().length === 0) return false;
      const { kind, operation, subresource } = subject;
      const key = `${kind.group}/${kind.version}/${kind.plural}/${subresource} ${operation}`;
      let answer = concerned.get(key);
      if (answer === undefined) {
        answer = !isExempt(kind) && list().some(({ criteria }) => criteria.mayMatch(subject));
        concerned.set(key, answer);
      }
      return answer;
    },
  };
}

function byName(a: Readonly<Configuration>, b: Readonly<Configuration>): number {
  const [left = '', right = ''] = [a.metadata?.name, b.metadata?.name];
  return left < right ? -1 : Number(left > right);
}
