import { once } from '../../lib/once.ts';
import { createTimeBound, TimeBoundError } from '../../lib/time-bound.ts';
import { ruleEnvironment } from '../../protocol/cel/compile-rule.ts';
import { celLimits, createCelEnvironment } from '../../protocol/cel/environment.ts';
import { compileRules, type RuleTree, validateRules } from '../../protocol/cel/validate-rules.ts';
import type { KubernetesObject } from '../../protocol/kinds/define-kind.ts';
import type { StatusCause } from '../../protocol/status.ts';
import { isJsonObject, type StructuralSchema } from '../../protocol/structural/structural-schema.ts';
import { validateValue } from '../../protocol/structural/validate-value.ts';

/** Checks objects against the schemas and rules of definitions, within a bound of time. */
export interface CustomValidation {
  /** The check of one schema; its rules are compiled at the first use. `old` is absent for a new object. */
  of(schema: StructuralSchema): (object: KubernetesObject, old?: KubernetesObject) => StatusCause[];
}

export function createCustomValidation(): CustomValidation {
  const bound = createTimeBound();
  const environment = once(() => ruleEnvironment(createCelEnvironment()));
  return {
    of(schema) {
      const parts = once(() => ({
        rules: compileRules(schema, environment()),
        isQuick: !hasPattern(schema),
      }));
      return (object, old) => {
        const { rules, isQuick } = parts();
        const check = () => validateChange(schema, rules, { object, old });
        if (!rules && isQuick) return check();
        try {
          return bound.run(check, celLimits.evaluationMsMax);
        } catch (error) {
          if (error instanceof TimeBoundError) return [outOfBudget];
          throw error;
        }
      };
    },
  };
}

interface Change {
  object: KubernetesObject;
  old: KubernetesObject | undefined;
}

function validateChange(
  schema: StructuralSchema,
  rules: RuleTree | undefined,
  { object, old }: Change,
): StatusCause[] {
  const found = validateValue(object, schema, '');
  const causes = found.length > 0 && old ? newlyWrong(found, validateValue(old, schema, '')) : found;
  if (!rules) return causes;
  if (causes.some(({ reason }) => blocking.has(reason))) return [...causes, rulesBlocked];
  return [...causes, ...validateRules(rules, { value: forRules(object), old: old && forRules(old) }, '')];
}

/** What was wrong before and was not touched does not stand in the way of another change. */
function newlyWrong(found: readonly StatusCause[], before: readonly StatusCause[]): StatusCause[] {
  const known = new Set(before.map(({ field, message }) => `${field} ${message}`));
  return found.filter(
    ({ reason, field, message }) => reason === 'FieldValueRequired' || !known.has(`${field} ${message}`),
  );
}

/** Of the metadata, rules see the names only. */
function forRules({ metadata = {}, ...content }: KubernetesObject): object {
  const { name, generateName } = metadata;
  return {
    ...content,
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(generateName === undefined ? {} : { generateName }),
    },
  };
}

const blocking = new Set<StatusCause['reason']>([
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

const rulesBlocked: StatusCause = {
  reason: 'FieldValueInvalid',
  field: '<nil>',
  message:
    'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
};

const outOfBudget: StatusCause = {
  reason: 'FieldValueInvalid',
  field: '<nil>',
  message:
    'Invalid value: "null": validation failed due to running out of cost budget, no further validation rules will be run',
};

function hasPattern(schema: StructuralSchema): boolean {
  const {
    pattern,
    items,
    properties,
    additionalProperties,
    allOf = [],
    anyOf = [],
    oneOf = [],
    not,
  } = schema;
  if (pattern !== undefined) return true;
  const below = [
    items,
    additionalProperties,
    not,
    ...Object.values(properties ?? {}),
    ...allOf,
    ...anyOf,
    ...oneOf,
  ];
  return below.some((part) => isJsonObject(part) && hasPattern(part));
}
