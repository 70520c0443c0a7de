import {
  type AdmissionCompiler,
  type AdmissionExpression,
  ExpressionError,
  type ExpressionType,
} from '../../../protocol/cel/admission-expression.ts';
import type { MatchCondition } from '../../../protocol/generated/models.ts';

export interface CompiledConditions {
  /** Whether all hold; one that does not outweighs those that fail. Throws ExpressionError when one fails. */
  hold(variables: Readonly<Record<string, unknown>>): boolean;
}

/** Undefined where there are none. What cannot be compiled fails when it is asked. */
export function compileConditions(
  conditions: readonly MatchCondition[] | undefined,
  compiler: AdmissionCompiler,
): CompiledConditions | undefined {
  if (!conditions || conditions.length === 0) return undefined;
  const compiled = conditions.map(({ expression }) => compileLate(compiler, expression, 'bool'));
  return {
    hold(variables) {
      const faults: ExpressionError[] = [];
      for (const condition of compiled) {
        try {
          if (condition.evaluate(variables) !== true) return false;
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error;
          faults.push(error);
        }
      }
      if (faults.length === 0) return true;
      const words = [...new Set(faults.map(({ message }) => message))];
      throw new ExpressionError(words.length === 1 ? (words[0] ?? '') : `[${words.join(', ')}]`);
    },
  };
}

/** An expression that says what is wrong with it when it is evaluated. */
export function compileLate(
  compiler: AdmissionCompiler,
  text: string,
  type: ExpressionType,
): AdmissionExpression {
  let compiled: AdmissionExpression | undefined;
  return {
    text,
    evaluate: (variables) => (compiled ??= compiler.compile(text, type)).evaluate(variables),
  };
}
