import {
  type AdmissionCompiler,
  admissionCompiler,
  ExpressionError,
  type ExpressionType,
  policyVariables,
  webhookVariables,
} from '../../cel/admission-expression.ts';
import type { MatchCondition, Variable } from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { duplicate, invalid, invalidFor, required } from '../cause.ts';
import { qualifiedName } from '../name-rules.ts';

const conditionsMax = 64;

/** What may be written where, made when the first expression is met. */
export function webhookExpressions(): AdmissionCompiler {
  return admissionCompiler(webhookVariables);
}

export function policyExpressions(): AdmissionCompiler {
  return admissionCompiler(policyVariables);
}

export function validateExpression(
  compiler: AdmissionCompiler,
  { text, type, field }: { text: string | undefined; type: ExpressionType; field: string },
): StatusCause[] {
  if (!text?.trim()) return [required(field, 'expression is not specified')];
  try {
    compiler.compile(text, type);
    return [];
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return [invalid(field, text, error.message)];
  }
}

export function validateConditions(
  conditions: readonly Partial<MatchCondition>[],
  compiler: AdmissionCompiler,
  field: string,
): StatusCause[] {
  const causes: StatusCause[] = [];
  if (conditions.length > conditionsMax)
    causes.push({
      reason: 'FieldValueTooMany',
      field,
      message: `Too many: ${conditions.length}: must have at most ${conditionsMax} items`,
    });
  const names = new Set<string>();
  conditions.forEach(({ name = '', expression }, index) => {
    const path = `${field}[${index}]`;
    causes.push(
      ...validateExpression(compiler, { text: expression, type: 'bool', field: `${path}.expression` }),
    );
    if (name === '') causes.push(required(`${path}.name`));
    else causes.push(...invalidFor(`${path}.name`, name, qualifiedName(name)));
    if (names.has(name)) causes.push(duplicate(`${path}.name`, name));
    names.add(name);
  });
  return causes;
}

export function validateVariables(
  variables: readonly Partial<Variable>[],
  compiler: AdmissionCompiler,
  field: string,
): StatusCause[] {
  return variables.flatMap(({ name = '', expression }, index) => {
    const path = `${field}[${index}]`;
    const causes = validateExpression(compiler, {
      text: expression,
      type: 'any',
      field: `${path}.expression`,
    });
    if (name === '') return [required(`${path}.name`, 'name is not specified'), ...causes];
    if (/^[A-Za-z_]\w*$/.test(name)) return causes;
    return [invalid(`${path}.name`, name, 'name is not a valid CEL identifier'), ...causes];
  });
}
