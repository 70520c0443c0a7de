import type { Pod } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, required } from './cause.ts';
import { ageColumn, nameColumn, none } from './columns.ts';
import { allVerbs, type Column, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { defaultPodSpec } from './pod-spec/defaults.ts';
import { takeSubresource, validateEphemeralTargets, validateResize } from './pod-spec/pod-subresources.ts';
import { defaultRequests, qosClassOf } from './pod-spec/resources.ts';
import { validatePodSpec } from './pod-spec/validate-pod-spec.ts';
import { validatePodSpecUpdate } from './pod-spec/validate-update.ts';
import { hasCondition, isFinished, summarizePod } from './pod-status.ts';

export const podKind = defineKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Pod',
  verbs: allVerbs,
  subresources: [
    'attach',
    'binding',
    'ephemeralcontainers',
    'eviction',
    'exec',
    'log',
    'portforward',
    'proxy',
    'resize',
    'status',
  ],
  columns: [
    nameColumn,
    {
      name: 'Ready',
      type: 'string',
      description: 'How many of the containers are ready.',
      value: (pod, now) => summarizePod(pod, now).ready,
    },
    {
      name: 'Status',
      type: 'string',
      description: 'What the pod as a whole is doing, or what keeps it from running.',
      value: (pod, now) => summarizePod(pod, now).status,
    },
    {
      name: 'Restarts',
      type: 'string',
      description: 'How often its containers were restarted, and when last.',
      value: (pod, now) => summarizePod(pod, now).restarts,
    },
    ageColumn,
    wideColumn('IP', "The pod's address.", ({ status }) => status?.podIPs?.[0]?.ip),
    wideColumn('Node', 'The node it runs on.', ({ spec }) => spec?.nodeName),
    wideColumn(
      'Nominated Node',
      'The node where room is made for it.',
      ({ status }) => status?.nominatedNodeName,
    ),
    wideColumn('Readiness Gates', 'How many of its own gates are open.', readinessGates),
  ],
  selectableFields: {
    'spec.nodeName': ({ spec }) => spec?.nodeName ?? '',
    'spec.restartPolicy': ({ spec }) => spec?.restartPolicy ?? '',
    'spec.schedulerName': ({ spec }) => spec?.schedulerName ?? '',
    'spec.serviceAccountName': ({ spec }) => spec?.serviceAccountName ?? '',
    'spec.hostNetwork': ({ spec }) => String(spec?.hostNetwork ?? false),
    'status.phase': ({ status }) => status?.phase ?? '',
    'status.podIP': ({ status }) => status?.podIPs?.[0]?.ip ?? '',
    'status.nominatedNodeName': ({ status }) => status?.nominatedNodeName ?? '',
  },

  applyDefaults(pod) {
    if (!pod.spec) return;
    defaultPodSpec(pod.spec);
    defaultRequests(pod.spec);
  },
  prepareCreate(pod) {
    if (!pod.spec) return;
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec) };
  },
  prepareUpdate(next, old, context) {
    separateStatus(next, old, context);
    takeSubresource(next, old, context.subresource);
    if (next.status && old.status?.qosClass) next.status.qosClass = old.status.qosClass;
  },
  validate(pod) {
    if (!pod.spec) return [required('spec.containers')];
    return [
      ...validateObjectMeta(pod, dnsSubdomain),
      ...validatePodSpec(pod.spec, 'spec'),
      ...validateNew(pod),
    ];
  },
  validateUpdate(next, old, subresource) {
    if (!next.spec || !old.spec) return [];
    if (subresource === 'resize') return validateResize(next.spec, old.spec);
    return [...validatePodSpecUpdate(next.spec, old.spec), ...validateEphemeralTargets(next.spec)];
  },
  deletion: {
    gracePeriodSeconds(pod, requestedSeconds) {
      if (!pod.spec?.nodeName || isFinished(pod)) return 0;
      const seconds = requestedSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
      // A negative period in a spec that predates its validation means "as fast as can be, but properly".
      return seconds < 0 ? 1 : seconds;
    },
  },
});

function validateNew({ spec, status, metadata }: Pod): StatusCause[] {
  const isNew = status?.phase === 'Pending' && metadata?.resourceVersion === undefined;
  if (!isNew || (spec?.ephemeralContainers ?? []).length === 0) return [];
  return [forbidden('spec.ephemeralContainers', 'cannot be set on create')];
}

function wideColumn(name: string, description: string, read: (pod: Pod) => string | undefined): Column<Pod> {
  return { name, type: 'string', priority: 1, description, value: (pod) => read(pod) || none };
}

function readinessGates(pod: Pod): string | undefined {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return undefined;
  return `${gates.filter(({ conditionType }) => hasCondition(pod, conditionType, 'True')).length}/${gates.length}`;
}
