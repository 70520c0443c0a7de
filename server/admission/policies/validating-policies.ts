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
        const found: Findings = { denials: [], audited: [], notes: new Map() };
        for (const policy of policies.list()) await askPolicy(policy, request, { ...asking, found });
        const [first] = found.denials;
        for (const [key, values] of found.notes) request.annotate(key, [...values].join(', '));
        if (found.audited.length > 0)
          request.annotate(
            'validation.policy.admission.k8s.io/validation_failure',
            JSON.stringify(found.audited),
          );
        if (first) throw policyDenial(request, first);
      },
    };
  },
});

interface CompiledPolicy extends PolicyParts {
  isStrict: boolean;
  validations: readonly CompiledValidation[];
  annotations: readonly { key: string; expression: AdmissionExpression }[];
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
  /** Which of the validations it was. */
  index?: number;
}

function compilePolicy(
  policy: Readonly<ValidatingAdmissionPolicy>,
  compiler: AdmissionCompiler,
): CompiledPolicy {
  const { validations = [], auditAnnotations = [], failurePolicy, ...rest } = policy.spec ?? {};
  return {
    ...compileParts(rest, compiler),
    isStrict: failurePolicy !== 'Ignore',
    annotations: auditAnnotations.map(({ key, valueExpression }) => ({
      key,
      expression: compileLate(compiler, valueExpression, 'any'),
    })),
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

interface Findings {
  denials: Denial[];
  /** As the audit log has them. */
  audited: object[];
  /** What policies note there, by key: each value once, whichever binding it comes from. */
  notes: Map<string, Set<string>>;
}

/** Adds what the policy refuses by those of its bindings that say Deny or Audit; for Warn the client is told. */
async function askPolicy(
  bound: Policy,
  request: AdmissionRequest,
  { found: into, ...asking }: Asking & { found: Findings },
): Promise<void> {
  const kind = await bound.criteria.match(request, asking.namespaceOf);
  if (!kind) return;
  const seen = await seenAs(request, kind);
  for (const one of bound.bindings) {
    if (one.criteria && !(await one.criteria.match(request, asking.namespaceOf))) continue;
    const { denials: found, notes } = await askBinding(bound, one, { request, seen, asking });
    for (const { key, value } of notes) {
      const name = `${bound.policy.metadata?.name}/${key}`;
      into.notes.set(name, (into.notes.get(name) ?? new Set()).add(value));
    }
    const actions = one.binding.spec?.validationActions ?? [];
    if (actions.includes('Deny')) into.denials.push(...found);
    if (actions.includes('Audit'))
      into.audited.push(
        ...found.map(({ policy, binding, message, index }) => ({
          message,
          policy,
          binding,
          ...(index === undefined ? {} : { expressionIndex: String(index) }),
          validationActions: actions,
        })),
      );
    if (actions.includes('Warn'))
      for (const { policy, binding, message } of found)
        request.warn(
          `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${binding}': ${message}`,
        );
  }
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
): Promise<{ denials: Denial[]; notes: Note[] }> {
  const names = { policy: policy.metadata?.name ?? '', binding: binding.metadata?.name ?? '' };
  const { paramKind } = policy.spec ?? {};
  const { paramRef } = binding.spec ?? {};
  try {
    const denials: Denial[] = [];
    const notes: Note[] = [];
    const namespace = await asking.namespaceOf();
    for (const params of await findParams(asking, request, { paramKind, paramRef })) {
      const outcome = await asking.run(request, (authorizer) =>
        outcomeOf(compiled, { seen, params, namespace, authorizer }),
      );
      denials.push(...outcome.refusals.map((refusal) => ({ ...names, ...refusal })));
      notes.push(...outcome.notes);
    }
    return { denials, notes };
  } catch (error) {
    if (!(error instanceof PolicyConfigurationError || error instanceof ExpressionError)) throw error;
    return { denials: compiled.isStrict ? [{ ...names, message: error.message }] : [], notes: [] };
  }
}

type Refusal = Pick<Denial, 'message' | 'reason' | 'index'>;

interface Note {
  key: string;
  value: string;
}

function outcomeOf(policy: CompiledPolicy, scene: Scene): { refusals: Refusal[]; notes: Note[] } {
  const values = policyValues(policy, scene);
  if (policy.conditions && !policy.conditions.hold(values)) return { refusals: [], notes: [] };
  const refusals = policy.validations.flatMap((validation, index) => {
    const refusal = refusalOf(validation, values, policy.isStrict);
    return refusal ? [{ ...refusal, index }] : [];
  });
  const notes: Note[] = [];
  for (const { key, expression } of policy.annotations) {
    try {
      const value = expression.evaluate(values);
      if (typeof value === 'string' && value.trim() !== '') notes.push({ key, value: value.trim() });
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      if (policy.isStrict) refusals.push({ message: error.message, index: policy.validations.length });
    }
  }
  return { refusals, notes };
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
