import type { LabelSelector } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, invalid, invalidFor, required } from './cause.ts';
import { labelValue, qualifiedName } from './name-rules.ts';
import { validateLabels } from './object-meta.ts';

export function validateLabelSelector(selector: LabelSelector | undefined, field: string): StatusCause[] {
  const expressions = selector?.matchExpressions ?? [];
  return [
    ...validateLabels(selector?.matchLabels, `${field}.matchLabels`),
    ...expressions.flatMap((expression, index) => {
      const path = `${field}.matchExpressions[${index}]`;
      const values = expression.values ?? [];
      return [
        ...validateOperator(expression.operator, values, path),
        ...invalidFor(`${path}.key`, expression.key, qualifiedName(expression.key ?? '')),
        ...values.flatMap((value, at) => invalidFor(`${path}.values[${at}]`, value, labelValue(value))),
      ];
    }),
  ];
}

function validateOperator(operator: string, values: readonly string[], path: string): StatusCause[] {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length > 0) return [];
      return [required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'")];
    case 'Exists':
    case 'DoesNotExist':
      if (values.length === 0) return [];
      return [
        forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      ];
    default:
      return [invalid(`${path}.operator`, operator, 'not a valid selector operator')];
  }
}
