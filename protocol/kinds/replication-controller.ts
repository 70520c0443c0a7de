import type { ReplicationController, ReplicationControllerSpec } from '../generated/models.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, nonNegative, notSupported, required } from './cause.ts';
import {
  ageColumn,
  containerColumns,
  labelsText,
  nameColumn,
  numberColumn,
  textColumn,
  wide,
} from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate-pod-spec.ts';
import { validateSelects } from './replicated.ts';
import { replicaCountRules, validateStatusCounts } from './status-counts.ts';

export const replicationControllerKind = defineKind<ReplicationController>({
  group: '',
  version: 'v1',
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  singular: 'replicationcontroller',
  shortNames: ['rc'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ReplicationController',
  verbs: allVerbs,
  subresources: ['scale', 'status'],
  columns: [
    nameColumn,
    numberColumn('Desired', 'Pods wanted.', ({ spec }) => spec?.replicas ?? 0),
    numberColumn('Current', 'Pods there are.', ({ status }) => status?.replicas ?? 0),
    numberColumn('Ready', 'Pods that are ready.', ({ status }) => status?.readyReplicas ?? 0),
    ageColumn,
    ...containerColumns<ReplicationController>(({ spec }) => spec?.template?.spec),
    wide(textColumn('Selector', 'Labels of the pods it keeps.', ({ spec }) => labelsText(spec?.selector))),
  ],
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },

  applyDefaults(controller) {
    const { spec } = controller;
    if (!spec) return;
    const labels = spec.template?.metadata?.labels ?? {};
    if (Object.keys(spec.selector ?? {}).length === 0 && Object.keys(labels).length > 0) {
      spec.selector = { ...labels };
    }
    if (Object.keys(controller.metadata?.labels ?? {}).length === 0 && Object.keys(labels).length > 0) {
      (controller.metadata ??= {}).labels = { ...labels };
    }
    spec.replicas ??= 1;
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  prepareCreate(controller) {
    controller.status = { replicas: 0 };
  },
  prepareUpdate: separateStatus,
  validate: (controller) => [
    ...validateObjectMeta(controller, dnsSubdomain),
    ...validateSpec(controller.spec ?? {}),
  ],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status' ? validateStatusCounts(next.status, old.status, replicaCountRules) : [],
  scale: {
    replicas: ({ spec }) => spec?.replicas ?? 0,
    statusReplicas: ({ status }) => status?.replicas ?? 0,
    selector: ({ spec }) => selectorText({ matchLabels: spec?.selector ?? {} }),
    setReplicas({ spec }, replicas) {
      if (spec) spec.replicas = replicas;
    },
  },
});

function validateSpec({ replicas, minReadySeconds, selector = {}, template }: ReplicationControllerSpec) {
  const causes: StatusCause[] = [
    ...nonNegative('spec.minReadySeconds', minReadySeconds),
    ...(Object.keys(selector).length > 0 ? [] : [required('spec.selector')]),
    ...nonNegative('spec.replicas', replicas),
  ];
  if (!template) return [...causes, required('spec.template')];
  causes.push(
    ...validateSelects({ matchLabels: selector }, template),
    ...validatePodTemplate(template, 'spec.template'),
  );
  const { restartPolicy } = template.spec ?? {};
  if (restartPolicy && restartPolicy !== 'Always') {
    causes.push(notSupported('spec.template.spec.restartPolicy', restartPolicy, ['Always']));
  }
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    const detail = 'activeDeadlineSeconds in ReplicationController is not Supported';
    causes.push(forbidden('spec.template.spec.activeDeadlineSeconds', detail));
  }
  return causes;
}
