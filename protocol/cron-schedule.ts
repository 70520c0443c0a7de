/**
 * Reads cron expressions of five fields, and the `@` words for common ones, as Kubernetes does
 * (source of forms and wording: github.com/robfig/cron/v3, ParseStandard).
 */
export interface CronSchedule {
  /** Allowed values of each field, ascending. Sunday is 0. */
  minutes: readonly number[];
  hours: readonly number[];
  daysOfMonth: readonly number[];
  months: readonly number[];
  daysOfWeek: readonly number[];
  /** Whether a day must be in both lists; otherwise one is enough. True where either field is `*` or `?`. */
  bothDays: boolean;
  /** For `@every`: a fixed distance in milliseconds, and every list empty. */
  everyMs?: number;
}

export class CronError extends Error {
  readonly code = 'ERR_CRON';

  constructor(message: string) {
    super(message);
    this.name = 'CronError';
  }
}

interface Bounds {
  min: number;
  max: number;
  names?: readonly string[];
}

const minutes: Bounds = { min: 0, max: 59 };
const hours: Bounds = { min: 0, max: 23 };
const daysOfMonth: Bounds = { min: 1, max: 31 };
const monthNames = ['', 'jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const months: Bounds = { min: 1, max: 12, names: monthNames };
const daysOfWeek: Bounds = { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] };

const words = new Map([
  ['@yearly', '0 0 1 1 *'],
  ['@annually', '0 0 1 1 *'],
  ['@monthly', '0 0 1 * *'],
  ['@weekly', '0 0 * * 0'],
  ['@daily', '0 0 * * *'],
  ['@midnight', '0 0 * * *'],
  ['@hourly', '0 * * * *'],
]);
const textLengthMax = 1024;

/** Throws CronError in the words of Kubernetes' parser. */
export function parseCron(text: string): CronSchedule {
  if (text === '') throw new CronError('empty spec string');
  if (text.length > textLengthMax) throw new CronError(`longer than ${textLengthMax} characters`);
  if (text.startsWith('@every ')) return every(text);
  const expression = text.startsWith('@') ? words.get(text) : text;
  if (expression === undefined) throw new CronError(`unrecognized descriptor: ${text}`);
  const fields = expression.split(/\s+/).filter((field) => field !== '');
  const [minute, hour, dayOfMonth, month, dayOfWeek] = fields;
  if (fields.length !== 5 || !minute || !hour || !dayOfMonth || !month || !dayOfWeek) {
    throw new CronError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  }
  return {
    minutes: readField(minute, minutes),
    hours: readField(hour, hours),
    daysOfMonth: readField(dayOfMonth, daysOfMonth),
    months: readField(month, months),
    daysOfWeek: readField(dayOfWeek, daysOfWeek),
    bothDays: isAny(dayOfMonth) || isAny(dayOfWeek),
  };
}

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

function every(text: string): CronSchedule {
  const duration = text.slice('@every '.length);
  if (!/^(?:\d+(?:\.\d+)?(?:ms|[hms]))+$/.test(duration)) {
    throw new CronError(
      `failed to parse duration ${text}: time: invalid duration ${JSON.stringify(duration)}`,
    );
  }
  const parts = duration.matchAll(/(\d+(?:\.\d+)?)(ms|[hms])/g);
  const ms = [...parts].reduce((sum, [, count, unit = '']) => sum + Number(count) * (units[unit] ?? 0), 0);
  const none = { minutes: [], hours: [], daysOfMonth: [], months: [], daysOfWeek: [], bothDays: false };
  // Finer than a second does not exist.
  return { ...none, everyMs: Math.max(Math.floor(ms / 1000), 1) * 1000 };
}

function isAny(field: string): boolean {
  return field.split(',').some((part) => /^[*?](?:\/1)?$/.test(part));
}

function readField(field: string, bounds: Bounds): number[] {
  const values = new Set(field.split(',').flatMap((part) => readRange(part, bounds)));
  return [...values].sort((a, b) => a - b);
}

/** `5`, `1-5`, `*`, each with an optional `/step`. */
function readRange(text: string, bounds: Bounds): number[] {
  const [range = '', stepText, ...moreSteps] = text.split('/');
  const [lowText = '', highText, ...moreHyphens] = range.split('-');
  if (moreHyphens.length > 0) throw new CronError(`too many hyphens: ${text}`);
  if (moreSteps.length > 0) throw new CronError(`too many slashes: ${text}`);
  const any = lowText === '*' || lowText === '?';
  const low = any ? bounds.min : readValue(lowText, bounds);
  const step = stepText === undefined ? 1 : readInteger(stepText);
  let high = any ? bounds.max : highText === undefined ? low : readValue(highText, bounds);
  if (highText === undefined && stepText !== undefined) high = bounds.max;
  if (low < bounds.min) {
    throw new CronError(`beginning of range (${low}) below minimum (${bounds.min}): ${text}`);
  }
  if (high > bounds.max) throw new CronError(`end of range (${high}) above maximum (${bounds.max}): ${text}`);
  if (low > high) throw new CronError(`beginning of range (${low}) beyond end of range (${high}): ${text}`);
  if (step === 0) throw new CronError(`step of range should be a positive number: ${text}`);
  const values: number[] = [];
  for (let value = low; value <= high; value += step) values.push(value);
  return values;
}

function readValue(text: string, { names }: Bounds): number {
  const named = text === '' ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  return named >= 0 ? named : readInteger(text);
}

function readInteger(text: string): number {
  if (/^-\d+$/.test(text)) throw new CronError(`negative number (${text}) not allowed: ${text}`);
  if (/^\+?\d{1,9}$/.test(text)) return Number(text);
  const why = `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
  throw new CronError(`failed to parse int from ${text}: ${why}`);
}
