/**
 * Kubernetes quantities (`500m`, `1.5Gi`, `1e3`) as numbers. Exact up to 2^53, which is 8 PiB in bytes.
 * Grammar: k8s.io/apimachinery/pkg/api/resource.
 */
const suffixes: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** In the unit of the resource (cores, bytes); undefined when it is no quantity. */
export function parseQuantity(text: string): number | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)$/.exec(text);
  if (!match) return undefined;
  const [, digits = '', exponent = '', suffix = ''] = match;
  return Number(`${digits}${exponent}`) * (suffixes[suffix] ?? 1);
}

/** Thousandths, rounded up as Kubernetes does; 0 for undefined or nonsense. */
export function parseMillis(text: string | undefined): number {
  return roundUp((parseQuantity(text ?? '0') ?? 0) * 1000);
}

/** Whole units, rounded up; 0 for undefined or nonsense. */
export function parseWhole(text: string | undefined): number {
  return roundUp(parseQuantity(text ?? '0') ?? 0);
}

/** Up to the next integer, forgiving what a binary fraction adds to a decimal one. */
export function roundUp(value: number): number {
  return Math.ceil(Number(value.toPrecision(15)));
}
