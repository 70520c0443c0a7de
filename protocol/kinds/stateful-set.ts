import type { StatefulSet, StatefulSetSpec } from '../generated/models.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, invalid, nonNegative, oneOf, required, sameValue } from './cause.ts';
import { ageColumn, containerColumns, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateIntOrPercent } from './int-or-percent.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultClaim } from './persistent-volume-claim.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validateSelectedTemplate } from './replicated.ts';
import { validateStatusCounts } from './status-counts.ts';

/** What may change once the set exists, in the order Kubernetes names it. */
const mutable = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

const retentions = ['Delete', 'Retain'];

export const statefulSetKind = defineKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  singular: 'statefulset',
  shortNames: ['sts'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.StatefulSet',
  verbs: allVerbs,
  subresources: ['scale', 'status'],
  columns: [
    nameColumn,
    textColumn(
      'Ready',
      'Pods that are ready, of those wanted.',
      ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    ),
    ageColumn,
    ...containerColumns<StatefulSet>(({ spec }) => spec?.template?.spec),
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.podManagementPolicy ||= 'OrderedReady';
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.partition ??= 0;
    }
    spec.persistentVolumeClaimRetentionPolicy ??= {};
    spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
    spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ||= 'v1';
      claim.kind ||= 'PersistentVolumeClaim';
      defaultClaim(claim);
    }
  },
  prepareCreate(set) {
    set.status = { replicas: 0, availableReplicas: 0 };
  },
  prepareUpdate: separateStatus,
  validate: (set) => [
    ...validateObjectMeta(set, dnsSubdomain),
    ...(set.spec ? validateSpec(set.spec) : [required('spec.selector')]),
  ],
  validateUpdate: (next, old, subresource) => {
    if (subresource === 'status') return validateStatusCounts(next.status, old.status, countRules);
    const fixed = ({ spec }: StatefulSet) => ({
      ...spec,
      ...Object.fromEntries(mutable.map((field) => [field, undefined])),
    });
    if (sameValue(fixed(next), fixed(old))) return [];
    const names = mutable.map((field) => `'${field}'`);
    const list = `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
    return [forbidden('spec', `updates to statefulset spec for fields other than ${list} are forbidden`)];
  },
  scale: {
    replicas: ({ spec }) => spec?.replicas ?? 0,
    statusReplicas: ({ status }) => status?.replicas ?? 0,
    selector: ({ spec }) => selectorText(spec?.selector),
    setReplicas({ spec }, replicas) {
      if (spec) spec.replicas = replicas;
    },
  },
});

const countRules = {
  fields: [
    'replicas',
    'readyReplicas',
    'currentReplicas',
    'updatedReplicas',
    'availableReplicas',
    'observedGeneration',
    'collisionCount',
  ],
  parts: ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'],
  subset: { field: 'availableReplicas', of: 'readyReplicas', word: 'status.readyReplicas' },
};

/** Source: k8s.io/kubernetes/pkg/apis/apps/validation, ValidateStatefulSetSpec. */
function validateSpec(spec: StatefulSetSpec): StatusCause[] {
  const { whenDeleted, whenScaled } = spec.persistentVolumeClaimRetentionPolicy ?? {};
  const retention = 'spec.persistentVolumeClaimRetentionPolicy';
  return [
    ...validatePodManagement(spec.podManagementPolicy),
    ...validateStrategy(spec.updateStrategy),
    ...oneOf(`${retention}.whenDeleted`, whenDeleted, retentions),
    ...oneOf(`${retention}.whenScaled`, whenScaled, retentions),
    ...nonNegative('spec.replicas', spec.replicas),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...nonNegative('spec.ordinals.start', spec.ordinals?.start),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
    ...validateSelectedTemplate(withClaims(spec), { selector: 'statefulset', pods: 'StatefulSet' }),
  ];
}

function validatePodManagement(policy: string | undefined): StatusCause[] {
  if (!policy) return [required('spec.podManagementPolicy')];
  if (policy === 'OrderedReady' || policy === 'Parallel') return [];
  return [invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")];
}

function validateStrategy(strategy: StatefulSetSpec['updateStrategy']): StatusCause[] {
  const path = 'spec.updateStrategy';
  switch (strategy?.type) {
    case undefined:
    case '':
      return [required(path)];
    case 'OnDelete':
      if (!strategy.rollingUpdate) return [];
      return [
        invalid(
          `${path}.rollingUpdate`,
          strategy.rollingUpdate,
          "only allowed for updateStrategy 'RollingUpdate'",
        ),
      ];
    case 'RollingUpdate':
      return validateRollingUpdate(strategy.rollingUpdate ?? {}, `${path}.rollingUpdate`);
    default: {
      const shown = { Type: strategy?.type, RollingUpdate: strategy?.rollingUpdate ?? null };
      return [invalid(path, shown, "must be 'RollingUpdate' or 'OnDelete'")];
    }
  }
}

function validateRollingUpdate(
  { partition, maxUnavailable }: NonNullable<NonNullable<StatefulSetSpec['updateStrategy']>['rollingUpdate']>,
  field: string,
): StatusCause[] {
  const causes = nonNegative(`${field}.partition`, partition);
  if (maxUnavailable === undefined) return causes;
  const path = `${field}.maxUnavailable`;
  if (Number.parseInt(String(maxUnavailable), 10) === 0)
    causes.push(invalid(path, maxUnavailable, 'cannot be 0'));
  return [...causes, ...validateIntOrPercent(maxUnavailable, path)];
}

/** The template as pods will have it: each claim is a volume of the claim's name. */
function withClaims(spec: StatefulSetSpec): StatefulSetSpec {
  const volumes = spec.template?.spec?.volumes ?? [];
  const claimed = (spec.volumeClaimTemplates ?? [])
    .map(({ metadata }) => metadata?.name ?? '')
    .filter((name) => !volumes.some((volume) => volume.name === name))
    .map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  if (!spec.template?.spec || claimed.length === 0) return spec;
  const podSpec = { ...spec.template.spec, volumes: [...volumes, ...claimed] };
  return { ...spec, template: { ...spec.template, spec: podSpec } };
}
