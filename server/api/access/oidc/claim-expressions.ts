import { createCelEnvironment } from '../../../../protocol/cel/environment.ts';

/** CEL over what a token claims, or over the user that was made of it. */
export interface Expression {
  /** Throws an Error when the expression cannot be computed for these values. */
  evaluate(value: unknown): unknown;
}

/** `variable` is what the expression calls its value: `claims` or `user`. Throws an Error when it does not compile. */
export function compileExpression(source: string, variable: 'claims' | 'user'): Expression {
  const environment = createCelEnvironment().clone().registerVariable(variable, 'dyn');
  const program = environment.parse(source);
  const checked = program.check();
  if (!checked.valid) throw new Error(`${source}: ${checked.error?.message ?? 'does not compile'}`);
  return { evaluate: (value) => program({ [variable]: celValue(value) }) };
}

/** Whole numbers are ints in CEL. */
function celValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(celValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, celValue(part)]));
}
