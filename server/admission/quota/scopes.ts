import type { ResourceQuota, ScopedResourceSelectorRequirement } from '../../../protocol/generated/models.ts';

/** Everything that limits which objects a quota is for; all must hold. */
export function scopesOf({ spec }: Readonly<ResourceQuota>): ScopedResourceSelectorRequirement[] {
  return [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ];
}

/** Whether any of the names an object has under a scope is one that the scope selects; it may have none. */
export function matchesName(
  { operator, values = [] }: ScopedResourceSelectorRequirement,
  names: readonly string[],
): boolean {
  switch (operator) {
    case 'Exists':
      return names.length > 0;
    case 'DoesNotExist':
      return names.length === 0;
    case 'In':
      return names.some((name) => values.includes(name));
    case 'NotIn':
      return names.length === 0 || names.some((name) => !values.includes(name));
    default:
      return false;
  }
}
