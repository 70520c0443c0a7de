import type { FieldValidation } from '../../../protocol/schema/decode-object.ts';
import type { Exchange } from '../exchange.ts';
import { invalidOption } from '../response/errors.ts';
import { readFieldManager } from './field-manager.ts';

export interface WriteQuery {
  dryRun: boolean;
  fieldValidation: FieldValidation;
  /** Who writes, for metadata.managedFields. */
  fieldManager: string;
}

/**
 * Reads `dryRun`, `fieldValidation` and `fieldManager`; `optionsKind` names the options in a refusal, e.g.
 * `CreateOptions`.
 */
export function readWriteQuery(
  exchange: Pick<Exchange, 'query' | 'request'>,
  optionsKind: string,
): WriteQuery {
  const { query } = exchange;
  const fieldValidation = query.get('fieldValidation') || 'Warn';
  if (!isFieldValidation(fieldValidation))
    throw invalidOption(optionsKind, {
      reason: 'FieldValueNotSupported',
      field: 'fieldValidation',
      message: `Unsupported value: ${JSON.stringify(fieldValidation)}: supported values: "Ignore", "Strict", "Warn"`,
    });
  return {
    dryRun: readDryRun(query.getAll('dryRun'), optionsKind),
    fieldValidation,
    fieldManager: readFieldManager(exchange, optionsKind),
  };
}

export function readDryRun(values: readonly unknown[], optionsKind: string): boolean {
  const given = values.filter((value) => value !== '');
  for (const value of given)
    if (value !== 'All')
      throw invalidOption(optionsKind, {
        reason: 'FieldValueNotSupported',
        field: 'dryRun',
        message: `Unsupported value: ${JSON.stringify(value)}: supported values: "All"`,
      });
  return given.length > 0;
}

function isFieldValidation(text: string): text is FieldValidation {
  return text === 'Ignore' || text === 'Warn' || text === 'Strict';
}
