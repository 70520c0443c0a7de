import { nanoPerOne, type Quantity } from '../../../protocol/quantity.ts';

export function times(count: number): Quantity {
  return { nano: BigInt(count) * nanoPerOne, format: 'decimal' };
}

export const one = times(1);
