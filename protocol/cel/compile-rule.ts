import type { ASTNode, Environment, ParseResult } from '@marcbachmann/cel-js';
import { propertyOf } from '../structural/prune.ts';
import { type StructuralSchema, type ValidationRule, valuesSchema } from '../structural/structural-schema.ts';
import { escapeFieldName } from './cel-value.ts';
import { celLimits } from './environment.ts';

/** A rule that is ready to run. */
export interface CompiledRule {
  readonly rule: ValidationRule;
  /** Speaks of how the value was before: is only asked where there is a before. */
  readonly isTransition: boolean;
  readonly holds: ParseResult;
  readonly message: ParseResult | undefined;
}

export class RuleError extends Error {
  readonly code = 'ERR_CEL_RULE';
  /** Which field of the rule is at fault. */
  readonly field: 'rule' | 'messageExpression';

  constructor(field: 'rule' | 'messageExpression', message: string) {
    super(message);
    this.name = 'RuleError';
    this.field = field;
  }
}

/** Throws RuleError with the words of Kubernetes' compiler where it has the same. */
export function compileRule(
  rule: ValidationRule,
  schema: StructuralSchema,
  environment: Environment,
): CompiledRule {
  const holds = compile(environment, rule.rule, { field: 'rule', type: 'bool', schema });
  const message = rule.messageExpression
    ? compile(environment, rule.messageExpression, { field: 'messageExpression', type: 'string', schema })
    : undefined;
  return { rule, holds, message, isTransition: mentions(holds.ast, 'oldSelf') };
}

/** The environment of rules: `self` and `oldSelf` beside the functions. */
export function ruleEnvironment(base: Environment): Environment {
  return base.clone().registerVariable('self', 'dyn').registerVariable('oldSelf', 'dyn');
}

function compile(
  environment: Environment,
  expression: string,
  { field, type, schema }: { field: RuleError['field']; type: string; schema: StructuralSchema },
): ParseResult {
  if (expression.length > celLimits.expressionCharactersMax)
    throw new RuleError(field, `too long: may not be more than ${celLimits.expressionCharactersMax} bytes`);
  const program = parse(environment, expression, field);
  const fault = undefinedField(program.ast, schema);
  if (fault !== undefined) throw new RuleError(field, compilation(`undefined field '${fault}'`));
  const checked = program.check();
  if (!checked.valid) throw new RuleError(field, compilation(summaryOf(checked.error)));
  if (checked.type !== type && checked.type !== 'dyn')
    throw new RuleError(
      field,
      field === 'rule'
        ? 'cel expression must evaluate to a bool'
        : 'messageExpression must evaluate to a string',
    );
  return program;
}

function parse(environment: Environment, expression: string, field: RuleError['field']): ParseResult {
  try {
    return environment.parse(expression);
  } catch (error) {
    throw new RuleError(field, compilation(summaryOf(error)));
  }
}

function compilation(why: string): string {
  return `compilation failed: ERROR: <input>: ${why}`;
}

/** The one line of an error that says what is wrong. */
export function summaryOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const summary = 'summary' in error && typeof error.summary === 'string' ? error.summary : error.message;
  return (summary.split('\n')[0] ?? '').replace(/^No such key/, 'no such key');
}

/** The parts of an expression below a node. */
export function partsOf(node: ASTNode): ASTNode[] {
  const found: ASTNode[] = [];
  const collect = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (isNode(value)) found.push(value);
  };
  collect(node.args);
  return found;
}

function isNode(value: unknown): value is ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

function mentions(node: ASTNode, name: string): boolean {
  return (node.op === 'id' && node.args === name) || partsOf(node).some((part) => mentions(part, name));
}

/** A field taken of `self` or `oldSelf` that the schema does not have. */
function undefinedField(node: ASTNode, schema: StructuralSchema): string | undefined {
  const found = schemaOf(node, schema);
  if ('missing' in found) return found.missing;
  for (const part of partsOf(node)) {
    const missing = undefinedField(part, schema);
    if (missing !== undefined) return missing;
  }
  return undefined;
}

type Found = { schema: StructuralSchema | undefined } | { missing: string };

/** What the schema says of a chain of fields that starts at `self`; nothing is known of other expressions. */
function schemaOf(node: ASTNode, root: StructuralSchema): Found {
  if (node.op === 'id') return { schema: node.args === 'self' || node.args === 'oldSelf' ? root : undefined };
  if (node.op !== '.') return { schema: undefined };
  const [target, field] = node.args;
  const outer = schemaOf(target, root);
  if ('missing' in outer || !outer.schema) return { schema: undefined };
  const { schema } = outer;
  if (schema.type !== 'object' && schema.type !== undefined) return { missing: field };
  if (isOpen(schema)) return { schema: valuesSchema(schema) };
  const key = Object.keys(schema.properties ?? {}).find((name) => escapeFieldName(name) === field);
  if (key !== undefined) return { schema: propertyOf(schema, key) };
  if (schema['x-kubernetes-embedded-resource'] === true && ['apiVersion', 'kind', 'metadata'].includes(field))
    return { schema: undefined };
  return { missing: field };
}

/** Whether fields are not known by the schema's `properties` alone. */
function isOpen(schema: StructuralSchema): boolean {
  return (
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    schema['x-kubernetes-int-or-string'] === true ||
    (schema.additionalProperties !== undefined && schema.additionalProperties !== false) ||
    schema.type === undefined
  );
}
