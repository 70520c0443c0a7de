/**
 * A JSON value as CEL sees it where no schema tells more: whole numbers are ints, and fields have the names that they
 * have.
 */
export function plainCelValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(plainCelValue);
  if (typeof value !== 'object' || value === null) return value ?? null;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) =>
      field === undefined ? [] : [[key, plainCelValue(field)]],
    ),
  );
}
