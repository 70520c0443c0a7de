import { once } from '../../../lib/once.ts';
import {
  type AdmissionCompiler,
  type AdmissionExpression,
  ExpressionError,
} from '../../../protocol/cel/admission-expression.ts';
import { jsonOfCelValue } from '../../../protocol/cel/plain-value.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
} from '../../../protocol/generated/models.ts';
import { sameValue } from '../../../protocol/kinds/cause.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { mutatingAdmissionPolicyKind } from '../../../protocol/kinds/mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindingKind } from '../../../protocol/kinds/mutating-admission-policy-binding.ts';
import { compileFieldSchemas, fieldsOfKind } from '../../../protocol/patch/field-schema.ts';
import { applyJsonPatch } from '../../../protocol/patch/json-patch.ts';
import { isObject } from '../../../protocol/patch/json-value.ts';
import { mergeFields } from '../../../protocol/patch/merge-fields.ts';
import { createObjectDecoder } from '../../../protocol/schema/decode-object.ts';
import { schemas } from '../../../protocol/schema/schemas.ts';
import { StatusError } from '../../../protocol/status.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { type AdmissionContext, defineAdmission } from '../define-admission.ts';
import { createExpressionRunner, type RunExpressions } from '../expressions.ts';
import type { NamespaceOf } from '../matching/criteria.ts';
import { compileLate } from '../matching/match-conditions.ts';
import { namespaceLookUp } from '../matching/namespace-of.ts';
import { refusal } from '../refusal.ts';
import { type SeenRequest, seenAs, takeSeen } from '../seen-request.ts';
import { findParams, PolicyConfigurationError } from './find-params.ts';
import { compileParts, type PolicyParts, policyValues } from './policy-parts.ts';
import { type Bound, type BoundPolicy, followPolicies } from './policy-set.ts';

/**
 * Lets mutating admission policies change the object, one after the other; in the second pass those that want it, when
 * the object is not any more as they left it.
 */
export const mutatingPolicies = defineAdmission({
  name: 'MutatingAdmissionPolicy',
  setup(context) {
    const kinds = {
      policyKind: mutatingAdmissionPolicyKind,
      bindingKind: mutatingAdmissionPolicyBindingKind,
    };
    const policies = followPolicies(context, kinds, compilePolicy);
    const namespaceFor = namespaceLookUp(context);
    const tools: Tools = {
      ...context,
      run: createExpressionRunner(context),
      fieldSchemaOf: once(() => compileFieldSchemas(schemas)),
      decoder: once(() => createObjectDecoder(schemas)),
    };
    /** How each policy left the object. */
    const left = new WeakMap<AdmissionRequest, Map<Policy, KubernetesObject | undefined>>();

    function isDue(policy: Policy, request: AdmissionRequest, isSecond: boolean): boolean {
      const before = left.get(request);
      if (!isSecond || !before) return true;
      if (policy.policy.spec?.reinvocationPolicy !== 'IfNeeded' || !before.has(policy)) return false;
      return !sameValue(before.get(policy), request.object);
    }

    return {
      handles: (subject) => subject.operation !== 'DELETE' && policies.concern(subject),
      async admit(request, pass) {
        const before = structuredClone(request.object);
        const namespaceOf = namespaceFor(request);
        for (const policy of policies.list()) {
          if (!isDue(policy, request, pass.isSecond)) continue;
          await applyPolicy(policy, request, { ...tools, namespaceOf });
          const known = left.get(request) ?? new Map<Policy, KubernetesObject | undefined>();
          left.set(request, known.set(policy, structuredClone(request.object)));
        }
        if (!sameValue(before, request.object)) pass.askForSecond();
      },
    };
  },
});

interface CompiledPolicy extends PolicyParts {
  isStrict: boolean;
  mutations: readonly { kind: 'apply' | 'patch'; expression: AdmissionExpression }[];
}

type Policy = BoundPolicy<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, CompiledPolicy>;

interface Tools extends AdmissionContext {
  run: RunExpressions;
  fieldSchemaOf: () => ReturnType<typeof compileFieldSchemas>;
  decoder: () => ReturnType<typeof createObjectDecoder>;
}

type Applying = Tools & { namespaceOf: NamespaceOf };

function compilePolicy(
  policy: Readonly<MutatingAdmissionPolicy>,
  compiler: AdmissionCompiler,
): CompiledPolicy {
  const { mutations = [], failurePolicy, ...rest } = policy.spec ?? {};
  return {
    ...compileParts(rest, compiler),
    isStrict: failurePolicy !== 'Ignore',
    mutations: mutations.map(({ patchType, jsonPatch, applyConfiguration }) =>
      patchType === 'JSONPatch'
        ? { kind: 'patch', expression: compileLate(compiler, jsonPatch?.expression ?? '', 'list') }
        : { kind: 'apply', expression: compileLate(compiler, applyConfiguration?.expression ?? '', 'map') },
    ),
  };
}

async function applyPolicy(bound: Policy, request: AdmissionRequest, applying: Applying): Promise<void> {
  const kind = await bound.criteria.match(request, applying.namespaceOf);
  if (!kind) return;
  for (const one of bound.bindings) {
    if (one.criteria && !(await one.criteria.match(request, applying.namespaceOf))) continue;
    try {
      await applyBinding(bound, one, request, applying);
    } catch (error) {
      if (!isFailure(error)) throw error;
      if (!bound.compiled.isStrict) continue;
      const names = `policy '${bound.policy.metadata?.name}' with binding '${one.binding.metadata?.name}'`;
      throw refusal(request, `${names} denied request: ${error.message}`);
    }
  }
}

function isFailure(error: unknown): error is Error {
  return (
    error instanceof PolicyConfigurationError ||
    error instanceof ExpressionError ||
    error instanceof StatusError
  );
}

async function applyBinding(
  { policy, compiled, criteria }: Policy,
  { binding }: Bound<MutatingAdmissionPolicyBinding>,
  request: AdmissionRequest,
  applying: Applying,
): Promise<void> {
  const { paramKind } = policy.spec ?? {};
  const { paramRef } = binding.spec ?? {};
  const namespace = await applying.namespaceOf();
  for (const params of await findParams(applying, request, { paramKind, paramRef })) {
    for (const { kind: way, expression } of compiled.mutations) {
      const kind = await criteria.match(request, applying.namespaceOf);
      if (!kind) return;
      const seen = await seenAs(request, kind);
      const made = await applying.run(request, (authorizer) => {
        const values = policyValues(compiled, { seen, params, namespace, authorizer });
        if (compiled.conditions && !compiled.conditions.hold(values)) return undefined;
        return { value: jsonOfCelValue(expression.evaluate(values)) };
      });
      if (!made) return;
      const changed =
        way === 'apply' ? merged(seen, made.value, applying) : applyJsonPatch(seen.object, made.value);
      await takeSeen(request, { kind, decoder: applying.decoder() }, changed);
    }
  }
}

/** The object with what the configuration sets; what says which object it is cannot be set. */
function merged({ object, kind }: SeenRequest, configuration: unknown, { fieldSchemaOf }: Applying): unknown {
  if (!isObject(configuration)) throw new ExpressionError('the expression must make an Object');
  const { apiVersion: _version, kind: _kind, ...fields } = configuration;
  const plain: unknown = JSON.parse(JSON.stringify(object));
  return mergeFields(plain, fields, fieldsOfKind(kind, fieldSchemaOf()));
}
