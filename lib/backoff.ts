import type { Random } from './random.ts';

export interface BackoffOptions {
  baseMs: number;
  capMs: number;
  /** Full jitter (uniform in [0, delay]) when given; the exact delay otherwise. */
  jitter?: Random;
}

/** Delay before attempt `failures` + 1, doubling from `baseMs` up to `capMs`. `failures` counts from 1. */
export function backoffMs(failures: number, { baseMs, capMs, jitter }: BackoffOptions): number {
  const exact = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 52));
  return jitter ? Math.floor(exact * jitter.fraction()) : exact;
}
