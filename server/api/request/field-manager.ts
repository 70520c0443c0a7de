import type { CauseType } from '../../../protocol/status.ts';
import type { Exchange } from '../exchange.ts';
import { invalidOption } from '../response/errors.ts';
import { isTrue } from './request-info.ts';

const managerBytesMax = 128;
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/**
 * Who writes, for metadata.managedFields: the query's `fieldManager`, or else the program's name out of its User-Agent.
 * Throws Invalid; `optionsKind` names the options in a refusal, e.g. `CreateOptions`.
 */
export function readFieldManager(
  { query, request }: Pick<Exchange, 'query' | 'request'>,
  optionsKind: string,
): string {
  const given = query.get('fieldManager') ?? '';
  if (Buffer.byteLength(given) > managerBytesMax)
    throw refused(
      optionsKind,
      'FieldValueTooLong',
      `Too long: may not be more than ${managerBytesMax} bytes`,
    );
  const bad = unprintable.exec(given);
  if (bad) {
    const code = (bad[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    const why = `invalid character U+${code} (at position ${Buffer.byteLength(given.slice(0, bad.index))})`;
    throw refused(optionsKind, 'FieldValueInvalid', `Invalid value: ${JSON.stringify(given)}: ${why}`);
  }
  return given || programOf(request.headers['user-agent'] ?? '') || 'unknown';
}

/** Who applies, and whether it takes what others own. */
export interface Applier {
  manager: string;
  force: boolean;
}

/** Reads `fieldManager`, which an apply must name, and `force`. Throws Invalid. */
export function readApplier(exchange: Pick<Exchange, 'query' | 'request'>): Applier {
  if (!exchange.query.get('fieldManager'))
    throw refused('PatchOptions', 'FieldValueRequired', 'Required value: is required for apply patch');
  const manager = readFieldManager(exchange, 'PatchOptions');
  return { manager, force: isTrue(exchange.query.get('force')) };
}

/** Throws Invalid when `force` is given where nothing can be forced. */
export function refuseForce({ query }: Pick<Exchange, 'query'>): void {
  if (!query.get('force')) return;
  throw invalidOption('PatchOptions', {
    reason: 'FieldValueForbidden',
    field: 'force',
    message: 'Forbidden: may not be specified for non-apply patch',
  });
}

function programOf(userAgent: string): string {
  const [program = ''] = userAgent.split('/');
  let name = '';
  for (const character of program) {
    if (unprintable.test(character)) continue;
    if (Buffer.byteLength(name + character) > managerBytesMax) break;
    name += character;
  }
  return name;
}

function refused(optionsKind: string, reason: CauseType, message: string) {
  return invalidOption(optionsKind, { reason, field: 'fieldManager', message });
}
