type Named = { readonly group: string; readonly plural: string };

/** Whether a kind is one of these; of any version, for kinds that are defined at run time come in several. */
export function isOneOf({ group, plural }: Named, ...others: readonly Named[]): boolean {
  return others.some((other) => other.plural === plural && other.group === group);
}
