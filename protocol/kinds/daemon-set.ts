import type { DaemonSet, DaemonSetSpec, RollingUpdateDaemonSet } from '../generated/models.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { immutable, invalid, nonNegative, notSupported, required } from './cause.ts';
import {
  ageColumn,
  containerColumns,
  labelsText,
  nameColumn,
  none,
  numberColumn,
  textColumn,
  wide,
} from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateIntOrPercent } from './int-or-percent.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { validateSelectedTemplate } from './replicated.ts';
import { validateStatusCounts } from './status-counts.ts';

export const daemonSetKind = defineKind<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  singular: 'daemonset',
  shortNames: ['ds'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.DaemonSet',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    numberColumn('Desired', 'Nodes that should run it.', ({ status }) => status?.desiredNumberScheduled ?? 0),
    numberColumn('Current', 'Nodes that run it.', ({ status }) => status?.currentNumberScheduled ?? 0),
    numberColumn('Ready', 'Nodes on which it is ready.', ({ status }) => status?.numberReady ?? 0),
    numberColumn(
      'Up-to-date',
      'Nodes that run the current template.',
      ({ status }) => status?.updatedNumberScheduled ?? 0,
    ),
    numberColumn(
      'Available',
      'Nodes on which it has been ready for long enough.',
      ({ status }) => status?.numberAvailable ?? 0,
    ),
    textColumn('Node Selector', 'Labels of the nodes it runs on.', ({ spec }) =>
      labelsText(spec?.template?.spec?.nodeSelector),
    ),
    ageColumn,
    ...containerColumns<DaemonSet>(({ spec }) => spec?.template?.spec),
    wide(textColumn('Selector', 'Labels of its pods.', ({ spec }) => selectorText(spec?.selector) || none)),
  ],
  selectableFields: {},

  applyDefaults({ spec }) {
    if (!spec) return;
    spec.updateStrategy ??= {};
    spec.updateStrategy.type ||= 'RollingUpdate';
    if (spec.updateStrategy.type === 'RollingUpdate') {
      spec.updateStrategy.rollingUpdate ??= {};
      spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
      spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  prepareCreate(set) {
    set.status = {
      currentNumberScheduled: 0,
      desiredNumberScheduled: 0,
      numberMisscheduled: 0,
      numberReady: 0,
    };
  },
  prepareUpdate: separateStatus,
  validate: (set) => [
    ...validateObjectMeta(set, dnsSubdomain),
    ...(set.spec ? validateSpec(set.spec) : [required('spec.selector')]),
  ],
  validateUpdate: (next, old, subresource) =>
    subresource === 'status'
      ? validateStatusCounts(next.status, old.status, countRules)
      : immutable('spec.selector', next.spec?.selector, old.spec?.selector),
});

const countRules = {
  fields: [
    'currentNumberScheduled',
    'numberMisscheduled',
    'desiredNumberScheduled',
    'numberReady',
    'observedGeneration',
    'updatedNumberScheduled',
    'numberAvailable',
    'numberUnavailable',
    'collisionCount',
  ],
};

/** Source: k8s.io/kubernetes/pkg/apis/apps/validation, ValidateDaemonSetSpec. */
function validateSpec(spec: DaemonSetSpec): StatusCause[] {
  return [
    ...validateSelectedTemplate(spec, { selector: 'daemonset', pods: 'DaemonSet' }),
    ...nonNegative('spec.minReadySeconds', spec.minReadySeconds),
    ...validateStrategy(spec.updateStrategy),
    ...nonNegative('spec.revisionHistoryLimit', spec.revisionHistoryLimit),
  ];
}

function validateStrategy(strategy: DaemonSetSpec['updateStrategy']): StatusCause[] {
  const { type = '', rollingUpdate } = strategy ?? {};
  if (type === 'OnDelete') return [];
  if (type !== 'RollingUpdate') {
    const shown = { Type: type, RollingUpdate: rollingUpdate ?? null };
    return [notSupported('spec.updateStrategy', shown, ['RollingUpdate', 'OnDelete'])];
  }
  if (!rollingUpdate) return [required('spec.updateStrategy.rollingUpdate')];
  return validateRollingUpdate(rollingUpdate, 'spec.updateStrategy.rollingUpdate');
}

function validateRollingUpdate(
  { maxUnavailable = 0, maxSurge = 0 }: RollingUpdateDaemonSet,
  path: string,
): StatusCause[] {
  const causes = [
    ...validateIntOrPercent(maxUnavailable, `${path}.maxUnavailable`),
    ...validateIntOrPercent(maxSurge, `${path}.maxSurge`),
  ];
  const [unavailable, surge] = [maxUnavailable, maxSurge].map((value) => Number.parseInt(String(value), 10));
  if (unavailable && surge) {
    causes.push(invalid(`${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero'));
  } else if (!unavailable && !surge) {
    causes.push(required(`${path}.maxUnavailable`, 'cannot be 0 when maxSurge is 0'));
  }
  return causes;
}
