import {
  type AdmissionCompiler,
  type AdmissionExpression,
  ExpressionError,
} from '../../../protocol/cel/admission-expression.ts';
import type { CelAuthorizer } from '../../../protocol/cel/authorizer-library.ts';
import { CelPatchLibrary } from '../../../protocol/cel/patch-library.ts';
import { plainCelValue } from '../../../protocol/cel/plain-value.ts';
import type { MatchCondition, Variable } from '../../../protocol/generated/models.ts';
import type { KubernetesObject } from '../../../protocol/kinds/define-kind.ts';
import { type CompiledConditions, compileConditions, compileLate } from '../matching/match-conditions.ts';
import { lazily, requestVariables, type SeenRequest } from '../seen-request.ts';

/** What validating and mutating policies have in common. */
export interface PolicyParts {
  conditions: CompiledConditions | undefined;
  variables: readonly { name: string; expression: AdmissionExpression }[];
}

export function compileParts(
  spec: { matchConditions?: MatchCondition[]; variables?: Variable[] },
  compiler: AdmissionCompiler,
): PolicyParts {
  return {
    conditions: compileConditions(spec.matchConditions, compiler),
    variables: (spec.variables ?? []).map(({ name, expression }) => ({
      name,
      expression: compileLate(compiler, expression, 'any'),
    })),
  };
}

/** What a policy looks at. */
export interface Scene {
  seen: SeenRequest;
  params: Readonly<KubernetesObject> | undefined;
  namespace: Readonly<KubernetesObject> | undefined;
  authorizer: CelAuthorizer;
}

/** All that the expressions of a policy may name. */
export function policyValues(
  parts: PolicyParts,
  { seen, params, namespace, authorizer }: Scene,
): Record<string, unknown> {
  const values = requestVariables(seen);
  values.authorizer = authorizer;
  values.params = plainCelValue(params);
  values.jsonpatch = new CelPatchLibrary();
  values.namespaceObject = plainCelValue(namespace);
  addVariables(values, parts);
  return values;
}

/** Adds the policy's own variables to those of the request, in place. Each may name those before it. */
function addVariables(values: Record<string, unknown>, { variables }: PolicyParts): void {
  const makers = variables.map(({ name, expression }) => [
    name,
    () => evaluateVariable(name, expression, values),
  ]);
  values.variables = lazily(Object.fromEntries(makers) as Record<string, () => unknown>);
}

function evaluateVariable(
  name: string,
  expression: AdmissionExpression,
  values: Record<string, unknown>,
): unknown {
  try {
    return expression.evaluate(values);
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    throw new ExpressionError(`composited variable "${name}" fails to evaluate: ${error.message}`, {
      cause: error,
    });
  }
}
