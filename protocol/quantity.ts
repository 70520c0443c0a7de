/**
 * Kubernetes quantities (`500m`, `1.5`, `64Mi`, `1e3`) as exact numbers of nano units. As in Kubernetes, what is
 * finer than nano is rounded away from zero, and what is beyond 2^63-1 is held there.
 *
 * Every quantity the API stores went through `canonicalQuantity`, so readers may parse without fear.
 */
export interface Quantity {
  nano: bigint;
  /** How it was written, which is how it will be shown. */
  format: 'decimal' | 'binary' | 'exponent';
}

export class QuantityError extends Error {
  readonly code = 'ERR_QUANTITY';

  constructor(message: string) {
    super(message);
    this.name = 'QuantityError';
  }
}

const malformed =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
/** Longer than any number that fits; keeps the arithmetic of hostile input small. */
const textLengthMax = 64;
const largestValue = 2n ** 63n - 1n;
export const nanoPerOne = 10n ** 9n;

const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Throws QuantityError on anything that is no quantity. */
export function parseQuantity(text: string): Quantity {
  const [, sign, whole = '', fraction = '', suffix = ''] =
    /^([+-]?)(\d*)(?:\.(\d*))?([a-zA-Z]*[+-]?\d*)$/.exec(text) ?? [];
  if (sign === undefined || whole + fraction === '' || text.length > textLengthMax) {
    throw new QuantityError(malformed);
  }
  const { format, numerator, denominator } = scaleOf(suffix);
  const digits = BigInt(whole + fraction) * numerator * nanoPerOne;
  const divisor = denominator * 10n ** BigInt(fraction.length);
  const nano = capped(divideUp(digits, divisor));
  return { nano: sign === '-' ? -nano : nano, format };
}

function scaleOf(suffix: string): { format: Quantity['format']; numerator: bigint; denominator: bigint } {
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { format: 'binary', numerator: 1024n ** BigInt(binary), denominator: 1n };
  const decimal = decimalSuffixes.indexOf(suffix);
  if (decimal >= 0) return { format: 'decimal', ...powerOfTen((decimal - 3) * 3) };
  const exponent = /^[eE]([+-]?\d{1,3})$/.exec(suffix)?.[1];
  if (exponent !== undefined) return { format: 'exponent', ...powerOfTen(Number(exponent)) };
  if (/[^eEinumkKMGTP\d+-]/.test(suffix)) throw new QuantityError(malformed);
  throw new QuantityError("unable to parse quantity's suffix");
}

function powerOfTen(exponent: number): { numerator: bigint; denominator: bigint } {
  const power = 10n ** BigInt(Math.abs(exponent));
  return exponent < 0 ? { numerator: 1n, denominator: power } : { numerator: power, denominator: 1n };
}

/** Rounds away from zero; both are at least 0. */
export function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}

function capped(nano: bigint): bigint {
  const largest = largestValue * nanoPerOne;
  return nano > largest ? largest : nano;
}

export function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch (error) {
    if (error instanceof QuantityError) return false;
    throw error;
  }
}

/** The canonical form: no fraction, and the largest suffix that allows that. */
export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const size = nano < 0n ? -nano : nano;
  const whole = size % nanoPerOne === 0n;
  if (format === 'binary' && whole && size >= 1024n * nanoPerOne) {
    const { mantissa, steps } = stripFactor(size / nanoPerOne, 1024n, binarySuffixes.length - 1);
    return `${sign}${mantissa}${binarySuffixes[steps]}`;
  }
  const { mantissa, steps } = stripFactor(size, 1000n, decimalSuffixes.length - 1);
  if (format !== 'exponent') return `${sign}${mantissa}${decimalSuffixes[steps]}`;
  const exponent = (steps - 3) * 3;
  return `${sign}${mantissa}${exponent === 0 ? '' : `e${exponent}`}`;
}

function stripFactor(value: bigint, factor: bigint, stepsMax: number): { mantissa: bigint; steps: number } {
  let mantissa = value;
  let steps = 0;
  while (steps < stepsMax && mantissa % factor === 0n) {
    mantissa /= factor;
    steps++;
  }
  return { mantissa, steps };
}

/** `0.5` → `500m`, `1024Mi` → `1Gi`. Throws QuantityError. */
export function canonicalQuantity(text: string): string {
  return formatQuantity(parseQuantity(text));
}

/** Below 0, 0 or above 0, for sorting and tests of order. */
export function compareQuantities(a: Quantity, b: Quantity): number {
  if (a.nano === b.nano) return 0;
  return a.nano < b.nano ? -1 : 1;
}

/** The sum is written as the first operand is, unless that is zero. */
export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return addQuantities(a, { ...b, nano: -b.nano });
}

/** In thousandths, rounded away from zero: CPU as millicores. Throws QuantityError. */
export function quantityMillis(text: string): number {
  return scaledDown(parseQuantity(text).nano, 10n ** 6n);
}

/** In whole units, rounded away from zero: bytes, or a count. Throws QuantityError. */
export function quantityValue(text: string): number {
  return scaledDown(parseQuantity(text).nano, nanoPerOne);
}

function scaledDown(nano: bigint, unit: bigint): number {
  return nano < 0n ? -Number(divideUp(-nano, unit)) : Number(divideUp(nano, unit));
}
