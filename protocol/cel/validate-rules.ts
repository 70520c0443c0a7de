import { type Environment, Optional } from '@marcbachmann/cel-js';
import { duplicate, forbidden, required } from '../kinds/cause.ts';
import type { StatusCause } from '../status.ts';
import { propertyOf } from '../structural/prune.ts';
import {
  childPath,
  isJsonObject,
  type StructuralSchema,
  valuesSchema,
} from '../structural/structural-schema.ts';
import { jsonTypeOf } from '../structural/validate-value.ts';
import { celValueOf, itemBefore } from './cel-value.ts';
import { type CompiledRule, compileRule, summaryOf } from './compile-rule.ts';

/** The rules of a schema and of what is below it; a part without rules is not there. */
export interface RuleTree {
  readonly schema: StructuralSchema;
  readonly rules: readonly CompiledRule[];
  readonly properties: ReadonlyMap<string, RuleTree>;
  readonly items: RuleTree | undefined;
  readonly values: RuleTree | undefined;
}

/** Undefined when the schema has no rules. Throws RuleError. */
export function compileRules(schema: StructuralSchema, environment: Environment): RuleTree | undefined {
  const rules = (schema['x-kubernetes-validations'] ?? []).map((rule) =>
    compileRule(rule, schema, environment),
  );
  const properties = new Map<string, RuleTree>();
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const tree = compileRules(property, environment);
    if (tree) properties.set(key, tree);
  }
  const items = schema.items && compileRules(schema.items, environment);
  const below = valuesSchema(schema);
  const values = below && compileRules(below, environment);
  if (rules.length === 0 && properties.size === 0 && !items && !values) return undefined;
  return { schema, rules, properties, items, values };
}

/**
 * What the rules refuse. `old` is the value before, undefined where there was none. Takes as long as the rules
 * take: run it within a time bound.
 */
export function validateRules(
  tree: RuleTree,
  change: { value: unknown; old: unknown },
  path: string,
): StatusCause[] {
  const { value, old } = change;
  if (value === null || value === undefined) return [];
  const causes = validateHere(tree, change, path);
  const { items, values, properties, schema } = tree;
  if (items && Array.isArray(value))
    for (const [index, item] of value.entries())
      causes.push(
        ...validateRules(items, { value: item, old: itemBefore(item, old, schema) }, childPath(path, index)),
      );
  if (isJsonObject(value))
    for (const [key, field] of Object.entries(value)) {
      const below = propertyOf(schema, key) ? properties.get(key) : values;
      const before = isJsonObject(old) ? old[key] : undefined;
      if (below) causes.push(...validateRules(below, { value: field, old: before }, childPath(path, key)));
    }
  return causes;
}

function validateHere(
  { rules, schema }: RuleTree,
  { value, old }: { value: unknown; old: unknown },
  path: string,
): StatusCause[] {
  const asked = rules.filter(
    ({ isTransition, rule }) => !isTransition || old !== undefined || rule.optionalOldSelf === true,
  );
  if (asked.length === 0) return [];
  const self = celValueOf(value, schema);
  const before = old === undefined ? undefined : celValueOf(old, schema);
  return asked.flatMap((compiled) => {
    const optional = before === undefined ? Optional.none() : Optional.of(before);
    const oldSelf = compiled.rule.optionalOldSelf === true ? optional : before;
    const fault = faultOf(compiled, { self, oldSelf });
    return fault === undefined ? [] : [causeOf(compiled, fault, { value, path })];
  });
}

function faultOf({ rule, holds, message }: CompiledRule, variables: object): string | undefined {
  try {
    if (holds(variables) === true) return undefined;
  } catch (error) {
    return `${summaryOf(error)} evaluating rule: ${rule.message ?? rule.rule}`;
  }
  return (message && messageOf(message, variables)) ?? (rule.message || `failed rule: ${rule.rule.trim()}`);
}

/** A message that cannot be made, or is none, gives way to the fixed one. */
function messageOf(message: NonNullable<CompiledRule['message']>, variables: object): string | undefined {
  try {
    const text: unknown = message(variables);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text : undefined;
  } catch {
    return undefined;
  }
}

function causeOf(
  { rule: { reason, fieldPath } }: CompiledRule,
  fault: string,
  { value, path }: { value: unknown; path: string },
): StatusCause {
  const field = (fieldPath ? joined(path, fieldPath) : path) || '<nil>';
  const type = jsonTypeOf(value);
  switch (reason) {
    case 'FieldValueForbidden':
      return forbidden(field, fault);
    case 'FieldValueRequired':
      return required(field, fault);
    case 'FieldValueDuplicate':
      return duplicate(field, type);
    case undefined:
    default:
      return {
        reason: 'FieldValueInvalid',
        field,
        message: `Invalid value: ${JSON.stringify(type)}: ${fault}`,
      };
  }
}

/** `.spec.a['b']` below a path. */
function joined(path: string, fieldPath: string): string {
  const relative = fieldPath.replaceAll(/\['((?:[^'\\]|\\.)*)'\]/g, '.$1').replace(/^\./, '');
  return childPath(path, relative);
}
