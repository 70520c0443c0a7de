import type { AdmissionCompiler, AdmissionExpression } from '../../../protocol/cel/admission-expression.ts';
import { ExpressionError } from '../../../protocol/cel/admission-expression.ts';
import type { MatchCondition, Variable } from '../../../protocol/generated/models.ts';
import { type CompiledConditions, compileConditions, compileLate } from '../matching/match-conditions.ts';
import { lazily } from '../seen-request.ts';

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

/** Adds the policy's own variables to those of the request, in place. Each may name those before it. */
export function addVariables(values: Record<string, unknown>, { variables }: PolicyParts): void {
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
