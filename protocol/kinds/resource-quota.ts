import type {
  ResourceQuota,
  ResourceQuotaSpec,
  ScopedResourceSelectorRequirement,
} from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, required, sameValue } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { isQuotaResource, validateQuantity, validateQuotaResourceName } from './resource-names.ts';

const scopes = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'PriorityClass',
  'Terminating',
  'VolumeAttributesClass',
];
const opposites = [
  ['BestEffort', 'NotBestEffort'],
  ['Terminating', 'NotTerminating'],
] as const;

export const resourceQuotaKind = defineKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  singular: 'resourcequota',
  shortNames: ['quota'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ResourceQuota',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Request', 'What is used of what may be asked for.', (quota) => usage(quota, false)),
    textColumn('Limit', 'What is used of what may be a limit.', (quota) => usage(quota, true)),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  prepareCreate(quota) {
    quota.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (quota) => [...validateObjectMeta(quota, dnsSubdomain), ...validateSpec(quota.spec ?? {})],
  validateUpdate: (next, old, subresource) => {
    if (subresource === 'status') {
      const { hard, used } = next.status ?? {};
      return [...validateAmounts(hard, 'status.hard'), ...validateAmounts(used, 'status.used')];
    }
    const before = old.spec?.scopes ?? [];
    const after = next.spec?.scopes ?? [];
    if (sameValue(after.toSorted(), before.toSorted())) return [];
    return [invalid('spec.scopes', after, 'field is immutable')];
  },
});

function usage({ status }: ResourceQuota, ofLimits: boolean): string {
  return Object.entries(status?.hard ?? {})
    .filter(([name]) => name.includes('limits') === ofLimits)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, hard]) => `${name}: ${status?.used?.[name] ?? '0'}/${hard}`)
    .join(', ');
}

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidateResourceQuotaSpec. */
function validateSpec(spec: ResourceQuotaSpec): StatusCause[] {
  return [
    ...validateAmounts(spec.hard, 'spec.hard'),
    ...validateScopes(spec),
    ...validateScopeSelector(spec),
  ];
}

function validateAmounts(amounts: Record<string, string> = {}, field: string): StatusCause[] {
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const path = `${field}[${name}]`;
    return [...validateQuotaResourceName(name, path), ...validateQuantity(name, amount, path)];
  });
}

function validateScopes({ scopes: chosen = [], hard = {} }: ResourceQuotaSpec): StatusCause[] {
  const causes = chosen.flatMap((scope) => [
    ...(scopes.includes(scope) ? [] : [invalid('spec.scopes', chosen, 'unsupported scope')]),
    ...beyondScope(scope, hard).map(() =>
      invalid('spec.scopes', chosen, 'unsupported scope applied to resource'),
    ),
  ]);
  return [...causes, ...opposed(chosen).map(() => invalid('spec.scopes', chosen, 'conflicting scopes'))];
}

const valueless = [
  'BestEffort',
  'CrossNamespacePodAffinity',
  'NotBestEffort',
  'NotTerminating',
  'Terminating',
];
const valuelessOperator =
  "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

function validateScopeSelector({
  scopeSelector,
  scopes: chosen,
  hard = {},
}: ResourceQuotaSpec): StatusCause[] {
  const path = 'spec.scopeSelector.matchExpressions';
  const expressions = scopeSelector?.matchExpressions ?? [];
  const causes = expressions.flatMap(({ scopeName, operator, values = [] }) => {
    const found = scopes.includes(scopeName)
      ? []
      : [invalid(`${path}.scopeName`, scopeName, 'unsupported scope')];
    const detail = 'unsupported scope applied to resource';
    found.push(...beyondScope(scopeName, hard).map(() => invalid(path, shownSelector(expressions), detail)));
    if (valueless.includes(scopeName) && operator !== 'Exists')
      found.push(invalid(`${path}.operator`, operator, valuelessOperator));
    return [...found, ...validateOperator(operator, values, path)];
  });
  const conflicts = opposed(expressions.map(({ scopeName }) => scopeName));
  return [...causes, ...conflicts.map(() => invalid(path, chosen, 'conflicting scopes'))];
}

function validateOperator(operator: string, values: readonly string[], path: string): StatusCause[] {
  switch (operator) {
    case 'In':
    case 'NotIn':
      if (values.length > 0) return [];
      return [
        required(
          `${path}.values`,
          "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ),
      ];
    case 'Exists':
    case 'DoesNotExist':
      if (values.length === 0) return [];
      return [
        invalid(
          `${path}.values`,
          values,
          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
        ),
      ];
    default:
      return [invalid(`${path}.operator`, operator, 'not a valid selector operator')];
  }
}

/** As Kubernetes shows a selector: with the field names of its own. */
function shownSelector(expressions: readonly ScopedResourceSelectorRequirement[]) {
  return {
    MatchExpressions: expressions.map(({ scopeName, operator, values = null }) => ({
      ScopeName: scopeName,
      Operator: operator,
      Values: values,
    })),
  };
}

const ofPods = ['pods', ...['', 'limits.', 'requests.'].flatMap((part) => [`${part}cpu`, `${part}memory`])];
const resourcesOfScope: Readonly<Record<string, readonly string[]>> = {
  BestEffort: ['pods'],
  CrossNamespacePodAffinity: ofPods,
  NotBestEffort: ofPods,
  NotTerminating: ofPods,
  PriorityClass: ofPods,
  Terminating: ofPods,
  VolumeAttributesClass: ['persistentvolumeclaims', 'requests.storage'],
};

/** The limits that a quota of this scope cannot have. */
function beyondScope(scope: string, hard: Readonly<Record<string, string>>): string[] {
  const known = Object.hasOwn(resourcesOfScope, scope) ? resourcesOfScope[scope] : undefined;
  if (!known) return [];
  return Object.keys(hard).filter((name) => isQuotaResource(name) && !known.includes(name));
}

function opposed(chosen: readonly string[]): (typeof opposites)[number][] {
  return opposites.filter((pair) => pair.every((scope) => chosen.includes(scope)));
}
