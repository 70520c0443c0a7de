import type { Environment } from '@marcbachmann/cel-js';
import {
  addQuantities,
  compareQuantities,
  isQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from '../quantity.ts';

const nanoPerOne = 10n ** 9n;

class CelQuantity {
  readonly quantity: Quantity;

  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }
}

/** Kubernetes' quantities in CEL. */
export function registerQuantityLibrary(environment: Environment): void {
  const type = 'kubernetes.Quantity';
  const compared = (name: string, holds: (order: number) => boolean) =>
    environment.registerFunction(`${type}.${name}(${type}): bool`, (a: CelQuantity, b: CelQuantity) =>
      holds(compareQuantities(a.quantity, b.quantity)),
    );
  environment
    .registerType(type, CelQuantity)
    .registerFunction('isQuantity(string): bool', isQuantity)
    .registerFunction(`quantity(string): ${type}`, (text: string) => new CelQuantity(parseQuantity(text)))
    .registerFunction(`${type}.compareTo(${type}): int`, (a: CelQuantity, b: CelQuantity) =>
      BigInt(compareQuantities(a.quantity, b.quantity)),
    )
    .registerFunction(`${type}.sign(): int`, ({ quantity: { nano } }: CelQuantity) =>
      nano === 0n ? 0n : nano < 0n ? -1n : 1n,
    )
    .registerFunction(
      `${type}.isInteger(): bool`,
      ({ quantity }: CelQuantity) => quantity.nano % nanoPerOne === 0n,
    )
    .registerFunction(`${type}.asInteger(): int`, ({ quantity: { nano } }: CelQuantity) => {
      if (nano % nanoPerOne !== 0n) throw new RangeError('cannot convert value to integer');
      return nano / nanoPerOne;
    })
    .registerFunction(
      `${type}.asApproximateFloat(): double`,
      ({ quantity }: CelQuantity) => Number(quantity.nano) / Number(nanoPerOne),
    )
    .registerFunction(
      `${type}.add(${type}): ${type}`,
      (a: CelQuantity, b: CelQuantity) => new CelQuantity(addQuantities(a.quantity, b.quantity)),
    )
    .registerFunction(
      `${type}.sub(${type}): ${type}`,
      (a: CelQuantity, b: CelQuantity) => new CelQuantity(subtractQuantities(a.quantity, b.quantity)),
    );
  compared('isGreaterThan', (order) => order > 0);
  compared('isLessThan', (order) => order < 0);
}
