import {
  type AdmissionCompiler,
  type AdmissionExpression,
  ExpressionError,
} from '../../../protocol/cel/admission-expression.ts';
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../protocol/generated/models.ts';
import { validatingAdmissionPolicyKind } from '../../../protocol/kinds/validating-admission-policy.ts';
import { validatingAdmissionPolicyBindingKind } from '../../../protocol/kinds/validating-admission-policy-binding.ts';
import type { AdmissionRequest } from '../../registry/admission.ts';
import { type AdmissionContext, defineAdmission } from '../define-admission.ts';
import { createExpressionRunner, type RunExpressions } from '../expressions.ts';
import { type NamespaceOf } from '../matching/criteria.ts';
import { compileLate } from '../matching/match-conditions.ts';
import { namespaceLookUp } from '../matching/namespace-of.ts';
import { type SeenRequest, seenAs } from '../seen-request.ts';
import { findParams, PolicyConfigurationError } from './find-params.ts';
import { policyDenial } from './policy-denial.ts';
import { compileParts, type PolicyParts, policyValues, type Scene } from './policy-parts.ts';
import { type Bound, type BoundPolicy, followPolicies } from './policy-set.ts';

/** Refuses, or warns of, what validating admission policies do not let through. */
export const validatingPolicies = defineAdmission({
  name: 'ValidatingAdmissionPolicy',
  setup(context) {
    const kinds = {
      policyKind: validatingAdmissionPolicyKind,
      bindingKind: validatingAdmissionPolicyBindingKind,
    };
    const policies = followPolicies(context, kinds, compilePolicy);
    const namespaceFor = namespaceLookUp(context);
    const run = createExpressionRunner(context);
    return {
      handles: (subject) => policies.concern(subject),
      async validate(request) {
        const asking = { ...context, run, namespaceOf: namespaceFor(request) };
        const denials: Denial[] = [];
        for (const policy of policies.list()) denials.push(...(await askPolicy(policy, request, asking)));
        const [first] = denials;
        if (first) throw policyDenial(request, first);
      },
    };
  },
});

interface CompiledPolicy extends PolicyParts {
  isStrict: boolean;
  validations: readonly CompiledValidation[];
}

interface CompiledValidation {
  holds: AdmissionExpression;
  message: string | undefined;
  messageExpression: AdmissionExpression | undefined;
  reason: string | undefined;
}

export interface Denial {
  policy: string;
  binding: string;
  message: string;
  reason?: string | undefined;
}

function compilePolicy(
  policy: Readonly<ValidatingAdmissionPolicy>,
  compiler: AdmissionCompiler,
): CompiledPolicy {
  const { validations = [], failurePolicy, ...rest } = policy.spec ?? {};
  return {
    ...compileParts(rest, compiler),
    isStrict: failurePolicy !== 'Ignore',
    validations: validations.map(({ expression, message, messageExpression, reason }) => ({
      holds: compileLate(compiler, expression, 'bool'),
      message,
      messageExpression: messageExpression ? compileLate(compiler, messageExpression, 'string') : undefined,
      reason,
    })),
  };
}

interface Asking extends AdmissionContext {
  run: RunExpressions;
  namespaceOf: NamespaceOf;
}

type Policy = BoundPolicy<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding, CompiledPolicy>;

/** What the policy refuses by those of its bindings that say Deny; for those that say Warn the client is told. */
async function askPolicy(bound: Policy, request: AdmissionRequest, asking: Asking): Promise<Denial[]> {
  const kind = await bound.criteria.match(request, asking.namespaceOf);
  if (!kind) return [];
  const seen = await seenAs(request, kind);
  const denials: Denial[] = [];
  for (const one of bound.bindings) {
    if (one.criteria && !(await one.criteria.match(request, asking.namespaceOf))) continue;
    const found = await askBinding(bound, one, { request, seen, asking });
    const actions = one.binding.spec?.validationActions ?? [];
    if (actions.includes('Deny')) denials.push(...found);
    if (actions.includes('Warn'))
      for (const { policy, binding, message } of found)
        request.warn(
          `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${binding}': ${message}`,
        );
  }
  return denials;
}

interface Question {
  request: AdmissionRequest;
  seen: SeenRequest;
  asking: Asking;
}

async function askBinding(
  { policy, compiled }: Policy,
  { binding }: Bound<ValidatingAdmissionPolicyBinding>,
  { request, seen, asking }: Question,
): Promise<Denial[]> {
  const names = { policy: policy.metadata?.name ?? '', binding: binding.metadata?.name ?? '' };
  const { paramKind } = policy.spec ?? {};
  const { paramRef } = binding.spec ?? {};
  try {
    const denials: Denial[] = [];
    const namespace = await asking.namespaceOf();
    for (const params of await findParams(asking, request, { paramKind, paramRef })) {
      const refusals = await asking.run(request, (authorizer) =>
        refusalsOf(compiled, { seen, params, namespace, authorizer }),
      );
      denials.push(...refusals.map((refusal) => ({ ...names, ...refusal })));
    }
    return denials;
  } catch (error) {
    if (!(error instanceof PolicyConfigurationError || error instanceof ExpressionError)) throw error;
    return compiled.isStrict ? [{ ...names, message: error.message }] : [];
  }
}

type Refusal = Pick<Denial, 'message' | 'reason'>;

function refusalsOf(policy: CompiledPolicy, scene: Scene): Refusal[] {
  const values = policyValues(policy, scene);
  if (policy.conditions && !policy.conditions.hold(values)) return [];
  return policy.validations.flatMap((validation) => refusalOf(validation, values, policy.isStrict) ?? []);
}

function refusalOf(
  { holds, message, messageExpression, reason }: CompiledValidation,
  values: Record<string, unknown>,
  isStrict: boolean,
): Refusal | undefined {
  try {
    if (holds.evaluate(values) === true) return undefined;
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return isStrict ? { message: error.message, reason } : undefined;
  }
  const made = messageExpression && messageBy(messageExpression, values);
  return { message: made ?? (message?.trim() || `failed expression: ${holds.text.trim()}`), reason };
}

/** A message that cannot be made, or is none, gives way to the fixed one. */
function messageBy(expression: AdmissionExpression, values: Record<string, unknown>): string | undefined {
  try {
    const text = expression.evaluate(values);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text.trim() : undefined;
  } catch (error) {
    if (error instanceof ExpressionError) return undefined;
    throw error;
  }
}
