import type { ReplicaSet } from '../generated/models.ts';
import { selectorText } from '../selectors.ts';
import { immutable, required } from './cause.ts';
import { ageColumn, containerColumns, nameColumn, none } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validateReplicated } from './replicated.ts';
import { replicaCountRules, validateStatusCounts } from './status-counts.ts';

export const replicaSetKind = defineKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.ReplicaSet',
  verbs: allVerbs,
  subresources: ['scale', 'status'],
  columns: [
    nameColumn,
    {
      name: 'Desired',
      type: 'integer',
      description: 'Pods wanted.',
      value: ({ spec }) => spec?.replicas ?? 0,
    },
    {
      name: 'Current',
      type: 'integer',
      description: 'Pods there are.',
      value: ({ status }) => status?.replicas ?? 0,
    },
    {
      name: 'Ready',
      type: 'integer',
      description: 'Pods that are ready.',
      value: ({ status }) => status?.readyReplicas ?? 0,
    },
    ageColumn,
    ...containerColumns<ReplicaSet>(({ spec }) => spec?.template?.spec),
    {
      name: 'Selector',
      type: 'string',
      priority: 1,
      description: 'Labels of the pods it keeps.',
      value: ({ spec }) => selectorText(spec?.selector) || none,
    },
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  prepareCreate(set) {
    set.status = { replicas: 0 };
  },
  prepareUpdate: separateStatus,
  validate: (set) => [
    ...validateObjectMeta(set, dnsSubdomain),
    ...(set.spec ? validateReplicated(set.spec) : [required('spec.selector')]),
  ],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status'
      ? validateStatusCounts(next.status, old.status, replicaCountRules)
      : immutable('spec.selector', next.spec?.selector, old.spec?.selector),
  scale: {
    replicas: ({ spec }) => spec?.replicas ?? 0,
    statusReplicas: ({ status }) => status?.replicas ?? 0,
    selector: ({ spec }) => selectorText(spec?.selector),
    setReplicas({ spec }, replicas) {
      if (spec) spec.replicas = replicas;
    },
  },
});
