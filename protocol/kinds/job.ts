import type { Job, JobSpec } from '../generated/models.ts';
import { ageSince, humanDuration } from '../human-duration.ts';
import { selectorText } from '../selectors.ts';
import type { StatusCause } from '../status.ts';
import { immutable, invalid, required, sameValue } from './cause.ts';
import { ageColumn, containerColumns, nameColumn, none, textColumn, wide } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { defaultJobSpec, validateJobSpec } from './job-spec.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { validateSelects } from './replicated.ts';

/** Labels of a job's pods. The bare ones are from before labels had a prefix. */
const uidLabels = ['batch.kubernetes.io/controller-uid', 'controller-uid'] as const;
const nameLabels = ['batch.kubernetes.io/job-name', 'job-name'] as const;

export const jobKind = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  singular: 'job',
  shortNames: [],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.batch.v1.Job',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Status', 'How far it is.', statusText),
    textColumn('Completions', 'Pods that succeeded, of those that must.', completionsText),
    textColumn('Duration', 'How long it ran, or has been running.', durationText),
    ageColumn,
    ...containerColumns<Job>(({ spec }) => spec?.template?.spec),
    wide(textColumn('Selector', 'Labels of its pods.', ({ spec }) => selectorText(spec?.selector) || none)),
  ],
  selectableFields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },

  applyDefaults(job) {
    if (!job.spec) return;
    labelAsPods(job);
    defaultJobSpec(job.spec);
  },
  prepareCreate(job) {
    job.status = {};
    if (job.spec && job.spec.manualSelector !== true) generateSelector(job, job.spec);
    labelAsPods(job);
  },
  prepareUpdate: separateStatus,
  validate: (job) => [
    ...validateObjectMeta(job, dnsSubdomain),
    ...(job.spec ? validateSelected(job, job.spec) : [required('spec.template')]),
  ],
  validateUpdate: (next, old) => validateUpdate(next.spec, old),
});

/** A job without labels bears those of its pods. */
function labelAsPods(job: Job): void {
  const labels = job.spec?.template?.metadata?.labels ?? {};
  if (Object.keys(labels).length === 0 || Object.keys(job.metadata?.labels ?? {}).length > 0) return;
  (job.metadata ??= {}).labels = { ...labels };
}

/** Every job's pods are its own: the selector is made of its uid (source: pkg/registry/batch/job, generateSelector). */
function generateSelector(job: Job, spec: JobSpec): void {
  const { uid, name } = job.metadata ?? {};
  if (uid === undefined || !spec.template) return;
  const metadata = (spec.template.metadata ??= {});
  const labels = (metadata.labels ??= {});
  for (const label of uidLabels) labels[label] ??= uid;
  for (const label of nameLabels) labels[label] ??= name ?? '';
  const selector = (spec.selector ??= {});
  if (!Object.hasOwn(selector.matchLabels ?? {}, uidLabels[1])) {
    selector.matchLabels = { ...selector.matchLabels, [uidLabels[0]]: uid };
  }
}

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/batch/validation. */
function validateSelected(job: Job, spec: JobSpec): StatusCause[] {
  const causes = [
    ...(spec.manualSelector === true ? [] : validateGeneratedLabels(job, spec)),
    ...validateJobSpec(spec, 'spec'),
    ...(spec.selector ? validateLabelSelector(spec.selector, 'spec.selector') : [required('spec.selector')]),
    ...validateSelects(spec.selector, spec.template),
  ];
  const { name = '' } = job.metadata ?? {};
  const { completionMode, completions = 0 } = spec;
  if (completionMode === 'Indexed' && completions > 0) {
    const hostname = `${name}-${completions - 1}`;
    if (dnsLabel(hostname).length > 0) {
      const detail = `will not able to create pod with invalid DNS label: ${hostname}`;
      causes.push(invalid('metadata.name', name, detail));
    }
  }
  return causes;
}

function validateGeneratedLabels({ metadata }: Job, spec: JobSpec): StatusCause[] {
  const { uid, name } = metadata ?? {};
  if (uid === undefined) return [];
  const labels = spec.template?.metadata?.labels ?? {};
  const path = 'spec.template.metadata.labels';
  return [...uidLabels.map((label) => [label, uid]), ...nameLabels.map((label) => [label, name])].flatMap(
    ([label = '', wanted = '']) =>
      labels[label] === wanted ? [] : [invalid(path, labels, `must be '${wanted}'`)],
  );
}

function validateUpdate(next: JobSpec | undefined, old: Job): StatusCause[] {
  const before = old.spec;
  const fixed = [
    'completionMode',
    'podFailurePolicy',
    'backoffLimitPerIndex',
    'managedBy',
    'successPolicy',
  ] as const;
  return [
    ...validateCompletions(next, before),
    ...immutable('spec.selector', next?.selector, before?.selector),
    ...validateTemplate(next, old),
    ...fixed.flatMap((field) => immutable(`spec.${field}`, next?.[field], before?.[field])),
  ];
}

/** An indexed job may grow and shrink, if all of its pods run side by side. */
function validateCompletions(next: JobSpec | undefined, old: JobSpec | undefined): StatusCause[] {
  if (next?.completionMode !== 'Indexed') {
    return immutable('spec.completions', next?.completions, old?.completions);
  }
  if (next.completions === old?.completions || next.completions === next.parallelism) return [];
  const detail = 'can only be modified in tandem with spec.parallelism';
  return [invalid('spec.completions', next.completions, detail)];
}

/** Where the pods of a job that never ran shall run may still be changed. */
function validateTemplate(next: JobSpec | undefined, { spec: old, status }: Job): StatusCause[] {
  const notStarted = old?.suspend === true && status?.startTime === undefined;
  const compared = (spec: JobSpec | undefined) => {
    if (!notStarted || !spec?.template) return spec?.template;
    const { labels: _labels, annotations: _annotations, ...metadata } = spec.template.metadata ?? {};
    const {
      nodeSelector: _selector,
      tolerations: _tolerations,
      schedulingGates: _gates,
      affinity,
      ...podSpec
    } = spec.template.spec ?? {};
    const { nodeAffinity: _affinity, ...otherAffinity } = affinity ?? {};
    return { metadata, spec: { ...podSpec, affinity: otherAffinity } };
  };
  if (sameValue(compared(next), compared(old))) return [];
  return [invalid('spec.template', next?.template, 'field is immutable')];
}

function statusText({ metadata, status }: Job): string {
  const holds = (type: string) =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === 'True') ?? false;
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp !== undefined) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(holds) ?? 'Running';
}

function completionsText({ spec, status }: Job): string {
  const done = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

function durationText({ status }: Job, now: number): string {
  const { startTime, completionTime } = status ?? {};
  if (startTime === undefined) return '';
  if (completionTime === undefined) return ageSince(startTime, now);
  return humanDuration(Date.parse(completionTime) - Date.parse(startTime));
}
