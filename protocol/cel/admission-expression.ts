import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import { registerAuthorizerLibrary } from './authorizer-library.ts';
import { partsOf, summaryOf } from './compile-rule.ts';
import { celLimits, createCelEnvironment } from './environment.ts';
import { registerPatchLibrary } from './patch-library.ts';
import { structsAsMaps } from './struct-literals.ts';

/** An expression of an admission policy or of a webhook's match conditions. */
export interface AdmissionExpression {
  readonly text: string;
  /** Throws ExpressionError. */
  evaluate(variables: Readonly<Record<string, unknown>>): unknown;
}

export interface CompiledExpression extends AdmissionExpression {
  /** Each chain of fields that it takes of a variable: `['object', 'spec', 'replicas']`. */
  readonly chains: readonly (readonly string[])[];
}

/** What an expression may make; `any` where nobody looks. */
export type ExpressionType = 'bool' | 'string' | 'any' | 'map' | 'list';

export class ExpressionError extends Error {
  readonly code = 'ERR_CEL_EXPRESSION';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ExpressionError';
  }
}

export interface AdmissionCompiler {
  /** Throws ExpressionError for what cannot be read, or makes something else than it shall. */
  compile(text: string, type: ExpressionType): CompiledExpression;
}

/** Which variables expressions may name depends on where they stand. */
export type AdmissionVariable =
  | 'object'
  | 'oldObject'
  | 'request'
  | 'params'
  | 'namespaceObject'
  | 'authorizer'
  | 'variables';

export const webhookVariables: readonly AdmissionVariable[] = [
  'object',
  'oldObject',
  'request',
  'authorizer',
];
export const policyVariables: readonly AdmissionVariable[] = [
  ...webhookVariables,
  'params',
  'namespaceObject',
  'variables',
];

export function admissionCompiler(variables: readonly AdmissionVariable[]): AdmissionCompiler {
  const environment = createCelEnvironment();
  registerAuthorizerLibrary(environment);
  registerPatchLibrary(environment);
  for (const name of variables) environment.registerVariable(name, 'dyn');
  return { compile: (text, type) => compile(environment, text, type) };
}

function compile(environment: Environment, text: string, type: ExpressionType): CompiledExpression {
  if (text.length > celLimits.expressionCharactersMax)
    throw new ExpressionError(`too long: may not be more than ${celLimits.expressionCharactersMax} bytes`);
  const program = parse(environment, structsAsMaps(text));
  const checked = program.check();
  if (!checked.valid)
    throw new ExpressionError(`compilation failed: ERROR: <input>: ${summaryOf(checked.error)}`);
  const made = checked.type ?? 'dyn';
  if (type !== 'any' && made !== 'dyn' && made !== type && !made.startsWith(`${type}<`))
    throw new ExpressionError(`must evaluate to ${type}`);
  return {
    text,
    get chains() {
      return chainsIn(program.ast);
    },
    evaluate(values) {
      try {
        return program(values) as unknown;
      } catch (error) {
        throw new ExpressionError(`expression '${text}' resulted in error: ${summaryOf(error)}`, {
          cause: error,
        });
      }
    },
  };
}

function parse(environment: Environment, text: string) {
  try {
    return environment.parse(text);
  } catch (error) {
    throw new ExpressionError(`compilation failed: ERROR: <input>: ${summaryOf(error)}`, { cause: error });
  }
}

function chainsIn(node: ASTNode): string[][] {
  const chain = chainOf(node);
  if (chain) return [chain];
  return partsOf(node).flatMap(chainsIn);
}

/** Undefined for what is no chain of fields that begins at a name. */
function chainOf(node: ASTNode): string[] | undefined {
  if (node.op === 'id') return [node.args];
  if (node.op !== '.') return undefined;
  const [target, field] = node.args;
  const before = chainOf(target);
  return before && [...before, field];
}
