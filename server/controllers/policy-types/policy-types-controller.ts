import { once } from '../../../lib/once.ts';
import { admissionCompiler, policyVariables } from '../../../protocol/cel/admission-expression.ts';
import type { MatchResources } from '../../../protocol/generated/models.ts';
import type { KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import type { KindSet } from '../../../protocol/kinds/kind-set.ts';
import { storedMeta } from '../../../protocol/kinds/stored-object.ts';
import { validatingAdmissionPolicyKind as policyKind } from '../../../protocol/kinds/validating-admission-policy.ts';
import { isStatus } from '../../../protocol/status.ts';
import { defineController } from '../define-controller.ts';
import { typeWarnings } from './type-warnings.ts';

/** Tells in the status of validating admission policies which of their expressions name what is not there. */
export const policyTypesController = defineController({
  name: 'validatingadmissionpolicy-status',
  workers: 1,
  setup({ registry, cache, kinds, follow }, enqueue) {
    const policies = cache.informer(policyKind);
    const compiler = once(() => admissionCompiler(policyVariables));
    follow(policies, ({ object }) => enqueue(storedMeta(object).name));
    return async (name) => {
      const policy = policies.get(undefined, name);
      const { generation = 1 } = policy?.metadata ?? {};
      if (!policy?.spec || policy.status?.observedGeneration === generation) return;
      const { matchConstraints = {} } = policy.spec;
      const expressionWarnings = typeWarnings(policy.spec, namedKinds(kinds, matchConstraints), compiler());
      await registry
        .mutate(
          policyKind,
          { name },
          (draft) => {
            if ((draft.metadata?.generation ?? 1) !== generation) return;
            draft.status = {
              ...draft.status,
              observedGeneration: generation,
              typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {},
            };
          },
          { subresource: 'status' },
        )
        .catch((error: unknown) => {
          if (!isStatus(error, 'NotFound')) throw error;
        });
    };
  },
});

/** The kinds that the rules name without a star. */
function namedKinds(kinds: KindSet, { resourceRules = [] }: MatchResources): KindDefinition[] {
  const all = [...kinds];
  return resourceRules.flatMap(({ apiGroups = [], apiVersions = [], resources = [] }) =>
    all.filter(
      ({ group, version, plural }) =>
        apiGroups.includes(group) && apiVersions.includes(version) && resources.includes(plural),
    ),
  );
}
