import type { LabelSelector } from './generated/models.ts';
import { StatusError } from './status.ts';

/**
 * Label and field selectors: strings from a query, or LabelSelector objects from a spec, become requirements, and those
 * match labels or fields. All requirements of a selector must hold.
 */
type LabelOperator = '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';

export interface LabelRequirement {
  key: string;
  operator: LabelOperator;
  values: readonly string[];
}

type Labels = Readonly<Record<string, string>>;

export type LabelMatcher = (labels: Labels | undefined) => boolean;

/** A matcher of the string form; '' takes everything. Throws StatusError BadRequest. */
export function parseLabelSelector(text: string): LabelMatcher {
  const requirements = parseLabelRequirements(text);
  return (labels) => matchesLabels(requirements, labels);
}

/** A matcher of a spec's selector: absent takes nothing, empty takes everything. */
export function compileLabelSelector(selector: LabelSelector | undefined): LabelMatcher {
  if (selector === undefined) return () => false;
  const requirements = labelRequirements(selector);
  return (labels) => matchesLabels(requirements, labels);
}

/** Reads the string form, set-based requirements included. Throws StatusError BadRequest. */
export function parseLabelRequirements(text: string): LabelRequirement[] {
  const tokens = tokenize(text);
  const requirements: LabelRequirement[] = [];
  if (tokens.length === 0) return requirements;
  for (;;) {
    requirements.push(parseRequirement(tokens));
    const next = tokens.shift();
    if (next === undefined) return requirements;
    if (next !== ',') throw unparsable(`found '${next}', expected: ',' or 'end of string'`);
    if (tokens.length === 0) throw unparsable("found '', expected: identifier after ','");
  }
}

function tokenize(text: string): string[] {
  return text.match(/==|!=|[=!<>(),]|[^\s=!<>(),]+/g) ?? [];
}

function isWord(token: string | undefined): token is string {
  return token !== undefined && !/^[=!<>(),]/.test(token);
}

function parseRequirement(tokens: string[]): LabelRequirement {
  const negated = tokens[0] === '!';
  if (negated) tokens.shift();
  const key = tokens.shift();
  if (!isWord(key)) throw unparsable(`found '${key ?? ''}', expected: identifier`);
  if (negated) return { key, operator: '!', values: [] };
  if (tokens.length === 0 || tokens[0] === ',') return { key, operator: 'exists', values: [] };
  const operator = tokens.shift();
  switch (operator) {
    case '=':
    case '==':
      return { key, operator: '=', values: [parseValue(tokens)] };
    case '!=':
      return { key, operator, values: [parseValue(tokens)] };
    case '>':
    case '<':
      return { key, operator, values: [parseInteger(key, parseValue(tokens))] };
    case 'in':
    case 'notin':
      return { key, operator, values: parseValues(tokens) };
    case undefined:
    default:
      throw unparsable(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
  }
}

/** A value may be empty: `a=` and `a=,b`. */
function parseValue(tokens: string[]): string {
  const next = tokens[0];
  if (next === undefined || next === ',') return '';
  if (isWord(next)) return tokens.shift() ?? '';
  throw unparsable(`found '${tokens[0]}', expected: identifier`);
}

function parseInteger(key: string, value: string): string {
  if (/^[+-]?\d+$/.test(value)) return value;
  throw new StatusError(
    'BadRequest',
    `values[0][${key}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
  );
}

function parseValues(tokens: string[]): string[] {
  if (tokens.shift() !== '(') throw unparsable("expected: '('");
  const values: string[] = [];
  for (;;) {
    values.push(isWord(tokens[0]) ? (tokens.shift() ?? '') : '');
    const next = tokens.shift();
    if (next === ')') return [...new Set(values)].sort();
    if (next !== ',') throw unparsable(`found '${next ?? ''}', expected: ',' or ')'`);
  }
}

function unparsable(detail: string): StatusError {
  return new StatusError('BadRequest', `unable to parse requirement: ${detail}`);
}

function labelRequirements(selector: LabelSelector): LabelRequirement[] {
  const requirements: LabelRequirement[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    key,
    operator: '=',
    values: [value],
  }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    requirements.push({ key, operator: expressionOperator(operator), values: values.toSorted() });
  }
  return requirements.sort((a, b) => (a.key < b.key ? -1 : 1));
}

function expressionOperator(operator: string): LabelOperator {
  switch (operator) {
    case 'In':
      return 'in';
    case 'NotIn':
      return 'notin';
    case 'Exists':
      return 'exists';
    case 'DoesNotExist':
      return '!';
    default:
      throw new StatusError('BadRequest', `"${operator}" is not a valid label selector operator`);
  }
}

function matchesLabels(requirements: readonly LabelRequirement[], labels: Labels = {}): boolean {
  return requirements.every((requirement) => matchesRequirement(requirement, labels));
}

function matchesRequirement({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case '=':
    case 'in':
      return value !== undefined && values.includes(value);
    case '!=':
    case 'notin':
      return value === undefined || !values.includes(value);
    case '>':
    case '<':
      return value !== undefined && compareIntegers(value, operator, values[0] ?? '');
    default:
      return operator satisfies never;
  }
}

function compareIntegers(value: string, operator: '>' | '<', limit: string): boolean {
  if (!/^[+-]?\d{1,19}$/.test(value)) return false;
  return operator === '>' ? BigInt(value) > BigInt(limit) : BigInt(value) < BigInt(limit);
}

/** The string form of a spec's selector, as scale subresources and tables show it. */
export function selectorText(selector: LabelSelector | undefined): string {
  return formatLabelSelector(labelRequirements(selector ?? {}));
}

/** The string form, e.g. `app=web,tier in (a,b),!legacy`; '' for none. */
export function formatLabelSelector(requirements: readonly LabelRequirement[]): string {
  return requirements.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case '=':
    case '!=':
    case '>':
    case '<':
      return `${key}${operator}${values[0] ?? ''}`;
    default:
      return operator satisfies never;
  }
}

export interface FieldRequirement {
  field: string;
  operator: '=' | '!=';
  value: string;
}

/** Reads `a=b,c!=d`, with `\` before a comma, equals sign or backslash of a value. Throws StatusError BadRequest. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text).map((term) => {
    const [, field = '', operator, value = ''] =
      /^\s*([^=!\s]+)\s*(==|!=|=)((?:[^\\=,]|\\[\\=,])*)$/.exec(term) ?? [];
    if (operator === undefined) {
      throw new StatusError('BadRequest', `invalid selector: '${text}'; can't understand '${term}'`);
    }
    return { field, operator: operator === '!=' ? '!=' : '=', value: value.replaceAll(/\\([\\=,])/g, '$1') };
  });
}

function splitTerms(text: string): string[] {
  return (text.match(/(?:[^\\,]|\\.?)+/g) ?? []).filter((term) => term.trim() !== '');
}
