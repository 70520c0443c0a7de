import type { CustomResourceDefinition } from '../../protocol/generated/models.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';

/** Why the names of a definition are not accepted, as its condition says it. */
export interface NameConflict {
  reason: string;
  message: string;
}

/** The first of a definition's names that another kind of its group has. */
export function findNameConflict(
  { spec: { group, names } }: CustomResourceDefinition,
  others: readonly KindDefinition[],
): NameConflict | undefined {
  const same = others.filter((kind) => kind.group === group);
  const words = new Set(
    same.flatMap(({ plural, singular, shortNames }) => [plural, singular, ...shortNames]),
  );
  const types = new Set(same.flatMap(({ kind }) => [kind, `${kind}List`]));
  const { plural, singular = '', shortNames = [], kind, listKind = '' } = names;
  const candidates: [string, string, ReadonlySet<string>][] = [
    ['PluralConflict', plural, words],
    ['SingularConflict', singular, words],
    ...shortNames.map((name): [string, string, ReadonlySet<string>] => ['ShortNamesConflict', name, words]),
    ['KindConflict', kind, types],
    ['ListKindConflict', listKind, types],
  ];
  const [reason, name] = candidates.find(([, candidate, taken]) => taken.has(candidate)) ?? [];
  return reason === undefined ? undefined : { reason, message: `${JSON.stringify(name)} is already in use` };
}
