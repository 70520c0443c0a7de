import type { Deployment, DeploymentSpec, DeploymentStrategy } from '../generated/models.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, immutable, invalid, invalidFor, nonNegative, notSupported, required } from './cause.ts';
import { ageColumn, containerColumns, nameColumn, none } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, percentText } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validateReplicated } from './replicated.ts';
import { validateStatusCounts } from './status-counts.ts';

const defaultStep = '25%';

export const deploymentKind = defineKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.Deployment',
  verbs: allVerbs,
  subresources: ['scale', 'status'],
  columns: [
    nameColumn,
    {
      name: 'Ready',
      type: 'string',
      description: 'Pods that are ready, of those wanted.',
      value: ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    },
    {
      name: 'Up-to-date',
      type: 'string',
      description: 'Pods of the current template.',
      value: ({ status }) => status?.updatedReplicas ?? 0,
    },
    {
      name: 'Available',
      type: 'string',
      description: 'Pods that have been ready for long enough.',
      value: ({ status }) => status?.availableReplicas ?? 0,
    },
    ageColumn,
    ...containerColumns<Deployment>(({ spec }) => spec?.template?.spec),
    {
      name: 'Selector',
      type: 'string',
      priority: 1,
      description: 'Labels of the pods it keeps.',
      value: ({ spec }) => selectorText(spec?.selector) || none,
    },
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    defaultStrategy((spec.strategy ??= {}));
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  prepareCreate(deployment) {
    deployment.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (deployment) => [
    ...validateObjectMeta(deployment, dnsSubdomain),
    ...(deployment.spec ? validateSpec(deployment.spec) : [required('spec.selector')]),
  ],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status'
      ? validateStatusCounts(next.status, old.status, countRules)
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

const countRules = {
  fields: [
    'replicas',
    'observedGeneration',
    'updatedReplicas',
    'readyReplicas',
    'availableReplicas',
    'unavailableReplicas',
    'collisionCount',
  ],
  parts: ['updatedReplicas', 'readyReplicas', 'availableReplicas'],
  subset: { field: 'availableReplicas', of: 'readyReplicas', word: 'readyReplicas' },
};

function defaultStrategy(strategy: DeploymentStrategy): void {
  strategy.type ||= 'RollingUpdate';
  if (strategy.type !== 'RollingUpdate') return;
  strategy.rollingUpdate ??= {};
  strategy.rollingUpdate.maxUnavailable ??= defaultStep;
  strategy.rollingUpdate.maxSurge ??= defaultStep;
}

function validateSpec(spec: DeploymentSpec): StatusCause[] {
  const { minReadySeconds = 0, progressDeadlineSeconds, revisionHistoryLimit } = spec;
  const causes = [
    ...validateReplicated(spec),
    ...validateStrategy(spec.strategy ?? {}, 'spec.strategy'),
    ...nonNegative('spec.revisionHistoryLimit', revisionHistoryLimit),
    ...nonNegative('spec.progressDeadlineSeconds', progressDeadlineSeconds),
  ];
  if (progressDeadlineSeconds !== undefined && progressDeadlineSeconds <= minReadySeconds) {
    const detail = 'must be greater than minReadySeconds';
    causes.push(invalid('spec.progressDeadlineSeconds', progressDeadlineSeconds, detail));
  }
  return causes;
}

function validateStrategy({ type, rollingUpdate }: DeploymentStrategy, field: string): StatusCause[] {
  if (type === 'Recreate') {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    return rollingUpdate ? [forbidden(`${field}.rollingUpdate`, detail)] : [];
  }
  if (type !== 'RollingUpdate') {
    const shown = { Type: type, RollingUpdate: rollingUpdate ?? null };
    return [notSupported(field, shown, ['Recreate', 'RollingUpdate'])];
  }
  if (!rollingUpdate)
    return [required(`${field}.rollingUpdate`, 'this should be defaulted and never be nil')];
  const causes: StatusCause[] = [];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const path = `${field}.rollingUpdate`;
  causes.push(
    ...validateStep(maxUnavailable, `${path}.maxUnavailable`),
    ...validateStep(maxSurge, `${path}.maxSurge`),
  );
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    causes.push(invalid(`${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
  }
  const percent = /^(\d+)%$/.exec(String(maxUnavailable))?.[1];
  if (Number(percent ?? 0) > 100) {
    causes.push(invalid(`${path}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%'));
  }
  return causes;
}

function validateStep(step: number | string, field: string): StatusCause[] {
  return typeof step === 'string' ? invalidFor(field, step, percentText(step)) : nonNegative(field, step);
}

function isZero(step: number | string): boolean {
  return step === 0 || /^0+%$/.test(String(step));
}
