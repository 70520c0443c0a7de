import type { ResourceQuota, ResourceQuotaSpec } from '../generated/models.ts';
import { parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import { invalid, invalidFor, notSupported, sameValue } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

/** Kinds that are counted, whose amounts are whole numbers. */
const counted = [
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
  'services.loadbalancers',
  'services.nodeports',
];
const computed = ['cpu', 'memory', 'ephemeral-storage'];
const standard = [
  ...counted,
  ...computed,
  ...computed.map((name) => `requests.${name}`),
  ...computed.map((name) => `limits.${name}`),
  'requests.storage',
];
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
  validateUpdate: (next, old) => {
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
    ...Object.entries(spec.hard ?? {}).flatMap(([name, amount]) =>
      validateAmount(name, amount, `spec.hard[${name}]`),
    ),
    ...validateScopes(spec),
    ...(spec.scopeSelector?.matchExpressions ?? []).flatMap(({ scopeName, operator }) => {
      const path = 'spec.scopeSelector.matchExpressions';
      if (!scopes.includes(scopeName)) return [invalid(`${path}.scopeName`, scopeName, 'unsupported scope')];
      const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'];
      return operators.includes(operator) ? [] : [notSupported(`${path}.operator`, operator, operators)];
    }),
  ];
}

function validateAmount(name: string, amount: string, field: string): StatusCause[] {
  const faults = qualifiedName(name);
  const causes = invalidFor(field, name, faults);
  const known =
    name.includes('/') ||
    standard.includes(name) ||
    name.startsWith('hugepages-') ||
    name.startsWith('requests.hugepages-');
  if (faults.length === 0 && !known)
    causes.push(invalid(field, name, 'must be a standard resource for quota'));
  const { nano } = parseQuantity(amount);
  if (nano < 0n) causes.push(invalid(field, amount, 'must be greater than or equal to 0'));
  const whole = counted.includes(name) || name.startsWith('count/');
  if (whole && nano % 1_000_000_000n !== 0n) causes.push(invalid(field, amount, 'must be an integer'));
  return causes;
}

function validateScopes({ scopes: chosen = [] }: ResourceQuotaSpec): StatusCause[] {
  const causes = chosen
    .filter((scope) => !scopes.includes(scope))
    .map(() => invalid('spec.scopes', chosen, 'unsupported scope'));
  for (const [one, other] of opposites) {
    if (chosen.includes(one) && chosen.includes(other)) {
      causes.push(invalid('spec.scopes', chosen, 'conflicting scopes'));
    }
  }
  return causes;
}
