/** Makes a value at the first call, and returns the same one ever after. A `make` that throws is asked again. */
export function once<R>(make: () => R): () => R {
  let made: { value: R } | undefined;
  return () => (made ??= { value: make() }).value;
}
