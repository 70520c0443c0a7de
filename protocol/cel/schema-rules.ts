import { invalid } from '../kinds/cause.ts';
import type { StatusCause } from '../status.ts';
import { isJsonObject, type StructuralSchema } from '../structural/structural-schema.ts';
import { compileRule, RuleError, ruleEnvironment } from './compile-rule.ts';
import { createCelEnvironment } from './environment.ts';

/** Rules of one schema beyond which it is refused. */
const rulesMax = 1000;
const reasons = ['FieldValueInvalid', 'FieldValueForbidden', 'FieldValueRequired', 'FieldValueDuplicate'];

/** What is wrong with the rules in a schema, by compiling each. */
export function validateSchemaRules(schema: StructuralSchema, path: string): StatusCause[] {
  const found = rulesBelow(schema, path);
  if (found.length === 0) return [];
  if (found.length > rulesMax)
    return [
      {
        reason: 'FieldValueTooMany',
        field: path,
        message: `Too many: ${found.length}: must have at most ${rulesMax} items`,
      },
    ];
  const environment = ruleEnvironment(createCelEnvironment());
  return found.flatMap(({ schema: owner, at, index }) => {
    const rule = owner['x-kubernetes-validations']?.[index];
    if (!rule) return [];
    const { reason } = rule;
    const causes: StatusCause[] = [];
    if (reason && !reasons.includes(reason))
      causes.push(invalid(`${at}.reason`, reason, `must be one of ${reasons.join(', ')}`));
    if (!rule.rule.trim())
      return [
        ...causes,
        {
          reason: 'FieldValueRequired',
          field: `${at}.rule`,
          message: 'Required value: rule is not specified',
        },
      ];
    try {
      compileRule(rule, owner, environment);
      return causes;
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      const value = error.field === 'rule' ? rule.rule : (rule.messageExpression ?? '');
      return [...causes, invalid(`${at}.${error.field}`, value, error.message)];
    }
  });
}

interface Placed {
  schema: StructuralSchema;
  at: string;
  index: number;
}

function rulesBelow(schema: StructuralSchema, path: string): Placed[] {
  const here = (schema['x-kubernetes-validations'] ?? []).map((_rule, index) => ({
    schema,
    at: `${path}.x-kubernetes-validations[${index}]`,
    index,
  }));
  const { properties, items, additionalProperties } = schema;
  return [
    ...here,
    ...Object.entries(properties ?? {}).flatMap(([key, property]) =>
      rulesBelow(property, `${path}.properties[${key}]`),
    ),
    ...(items ? rulesBelow(items, `${path}.items`) : []),
    ...(isJsonObject(additionalProperties)
      ? rulesBelow(additionalProperties, `${path}.additionalProperties`)
      : []),
  ];
}
