import {
  type AdmissionCompiler,
  ExpressionError,
  type ExpressionType,
} from '../../../protocol/cel/admission-expression.ts';
import type { ExpressionWarning, ValidatingAdmissionPolicySpec } from '../../../protocol/generated/models.ts';
import { apiVersionOf, type KindDefinition } from '../../../protocol/kinds/define-kind.ts';
import { refOf, type Schema } from '../../../protocol/schema/schema.ts';
import { schemas } from '../../../protocol/schema/schemas.ts';

/** Beyond this many kinds the rest is not looked at (source: k8s.io/apiserver, policy/validating, TypeChecker). */
const kindsMax = 10;

/** What the expressions of a policy name that the kinds which it is about do not have. */
export function typeWarnings(
  spec: ValidatingAdmissionPolicySpec,
  kinds: readonly KindDefinition[],
  compiler: AdmissionCompiler,
): ExpressionWarning[] {
  const looked = kinds.slice(0, kindsMax);
  return expressionsOf(spec).flatMap(({ fieldRef, text, type }) => {
    const chains = chainsOf(compiler, text, type);
    const faults = looked.flatMap((kind) => {
      const missing = chains.map((chain) => missingField(chain, kind)).find((field) => field !== undefined);
      if (missing === undefined) return [];
      return [`${apiVersionOf(kind)}, Kind=${kind.kind}: ERROR: <input>: undefined field '${missing}'`];
    });
    return faults.length > 0 ? [{ fieldRef, warning: faults.join('\n') }] : [];
  });
}

interface PlacedExpression {
  fieldRef: string;
  text: string;
  type: ExpressionType;
}

function expressionsOf(spec: ValidatingAdmissionPolicySpec): PlacedExpression[] {
  const { validations = [], variables = [], matchConditions = [] } = spec;
  const placed = (field: string, type: ExpressionType) => (text: string, index: number) => ({
    fieldRef: `spec.${field.replace('#', String(index))}`,
    text,
    type,
  });
  return [
    ...variables.map(({ expression }) => expression).map(placed('variables[#].expression', 'any')),
    ...matchConditions
      .map(({ expression }) => expression)
      .map(placed('matchConditions[#].expression', 'bool')),
    ...validations.flatMap(({ expression, messageExpression }, index) => [
      placed('validations[#].expression', 'bool')(expression, index),
      ...(messageExpression
        ? [placed('validations[#].messageExpression', 'string')(messageExpression, index)]
        : []),
    ]),
  ];
}

/** None of one that cannot be compiled: it was refused, or will be told when it is asked. */
function chainsOf(
  compiler: AdmissionCompiler,
  text: string,
  type: ExpressionType,
): readonly (readonly string[])[] {
  try {
    return compiler.compile(text, type).chains;
  } catch (error) {
    if (error instanceof ExpressionError) return [];
    throw error;
  }
}

function missingField([root, ...fields]: readonly string[], kind: KindDefinition): string | undefined {
  if (root !== 'object' && root !== 'oldObject') return undefined;
  const schemaOf = (name: string): Schema | undefined => kind.custom?.schemas[name] ?? schemas[name];
  let schema = schemaOf(kind.schema);
  for (const field of fields) {
    if (!schema?.properties || schema['x-kubernetes-preserve-unknown-fields'] === true) return undefined;
    const next: Schema | undefined = schema.properties[field];
    if (!next) return field;
    const name = refOf(next);
    schema = name === undefined ? next : schemaOf(name);
  }
  return undefined;
}
