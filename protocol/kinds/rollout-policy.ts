import type { Condition, LabelSelector } from '../generated/models.ts';
import { rolloutPolicySchema } from '../schema/fleet-schemas.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, invalid, invalidFor, nonNegative, optionalOneOf, required, tooMany } from './cause.ts';
import { ageColumn, nameColumn, none, numberColumn, textColumn, wide } from './columns.ts';
import { validateSchedule, validateTimeZone } from './cron-job.ts';
import { allVerbs, defineKind, type KubernetesObject } from './define-kind.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

/** How new versions reach the devices of a workload. What each field means stands in its schema. */
export interface RolloutPolicy extends KubernetesObject {
  spec?: RolloutPolicySpec;
  status?: RolloutPolicyStatus;
}

export interface RolloutPolicySpec {
  batches?: RolloutBatch[];
  healthyPercent?: number;
  healthySeconds?: number;
  progressDeadlineSeconds?: number;
  onFailure?: string;
  windows?: MaintenanceWindow[];
  lockMaxAgeSeconds?: number;
  paused?: boolean;
}

export interface RolloutBatch {
  name?: string;
  selector?: LabelSelector;
  percent?: number;
}

export interface MaintenanceWindow {
  schedule: string;
  durationSeconds: number;
  timeZone?: string;
}

export interface RolloutCounts {
  devices: number;
  pending: number;
  waiting: number;
  updating: number;
  healthy: number;
  failed: number;
  locked: number;
}

export type RolloutPhase = 'Failed' | 'Paused' | 'RollingBack' | 'Progressing' | 'RolledBack' | 'Complete';

export interface BatchStatus extends RolloutCounts {
  name: string;
  phase: 'Waiting' | 'Updating' | 'Passed' | 'Failed';
}

export interface WorkloadRollout extends RolloutCounts {
  kind: string;
  name: string;
  uid: string;
  revision: string;
  stableRevision?: string;
  failedRevision?: string;
  resumed?: string;
  phase: RolloutPhase;
  reason: string;
  message: string;
  batch?: string;
  passed: number;
  startedAt: string;
  batches: BatchStatus[];
}

export interface RolloutPolicyStatus {
  observedGeneration?: number;
  phase?: RolloutPhase;
  rollouts?: WorkloadRollout[];
  conditions?: Condition[];
}

/** On a DaemonSet or Deployment: the policy of its namespace that it follows. */
export const rolloutPolicyAnnotation = 'fleet.flotilla.dev/rollout-policy';
/** On a DaemonSet or Deployment: another value than before makes a rollout that failed go on. */
export const resumeAnnotation = 'fleet.flotilla.dev/resume';

export const batchesMax = 32;
export const windowsMax = 32;
/** A policy shows the rollouts of so many workloads; further ones are held until there is room. */
export const policyWorkloadsMax = 200;
const windowSecondsMax = 7 * 24 * 3600;

const sumOf = (key: keyof RolloutCounts) => (policy: RolloutPolicy) =>
  (policy.status?.rollouts ?? []).reduce((sum, rollout) => sum + rollout[key], 0);

/** The rollout that the policy's phase is of. */
function foremost({ status }: RolloutPolicy): WorkloadRollout | undefined {
  return status?.rollouts?.find(({ phase }) => phase === status.phase);
}

export const rolloutPolicyKind = defineKind<RolloutPolicy>({
  group: 'fleet.flotilla.dev',
  version: 'v1alpha1',
  kind: 'RolloutPolicy',
  plural: 'rolloutpolicies',
  singular: 'rolloutpolicy',
  shortNames: ['rop'],
  categories: ['fleet'],
  namespaced: true,
  schema: rolloutPolicySchema,
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn(
      'Phase',
      'Of the rollout that needs a person most.',
      ({ status }) => status?.phase ?? 'Unused',
    ),
    textColumn('Batch', 'What that rollout updates now.', (policy) => foremost(policy)?.batch ?? none),
    numberColumn('Devices', 'All of them.', sumOf('devices')),
    numberColumn('Waiting', 'Still on an earlier version.', sumOf('waiting')),
    numberColumn('Updating', 'Took the new version; not proven yet.', sumOf('updating')),
    numberColumn('Healthy', 'Run the new version well.', sumOf('healthy')),
    numberColumn('Failed', 'Took the new version and failed.', sumOf('failed')),
    numberColumn('Pending', 'Out of reach before delivery.', sumOf('pending')),
    ageColumn,
    wide(
      textColumn('Workloads', 'Who follows the policy.', ({ status }) => {
        const names = (status?.rollouts ?? []).map(({ kind, name }) => `${kind.toLowerCase()}/${name}`);
        return names.join(',') || none;
      }),
    ),
    wide(
      textColumn('Message', 'What that rollout waits for.', (policy) => foremost(policy)?.message ?? none),
    ),
  ],
  selectableFields: {},

  prepareCreate(policy) {
    delete policy.status;
  },
  prepareUpdate: separateStatus,
  applyDefaults(policy) {
    policy.spec ??= {};
    const { spec } = policy;
    spec.healthyPercent ??= 100;
    spec.healthySeconds ??= 60;
    spec.progressDeadlineSeconds ??= 600;
    spec.lockMaxAgeSeconds ??= 3600;
    spec.onFailure ||= 'Pause';
    spec.batches?.forEach((batch, index) => {
      batch.name ||= `batch-${index + 1}`;
    });
  },
  validate: (policy) => [...validateObjectMeta(policy, dnsSubdomain), ...validateSpec(policy.spec ?? {})],
});

function validateSpec(spec: RolloutPolicySpec): StatusCause[] {
  const { batches = [], windows = [] } = spec;
  return [
    ...(batches.length > batchesMax ? [tooMany('spec.batches', batches.length, batchesMax)] : []),
    ...batches.flatMap((batch, index) => validateBatch(batch, `spec.batches[${index}]`)),
    ...validateOrder(batches),
    ...validatePercent(spec.healthyPercent, 'spec.healthyPercent'),
    ...nonNegative('spec.healthySeconds', spec.healthySeconds),
    ...validateDeadline(spec.progressDeadlineSeconds),
    ...optionalOneOf('spec.onFailure', spec.onFailure, ['Pause', 'Rollback']),
    ...nonNegative('spec.lockMaxAgeSeconds', spec.lockMaxAgeSeconds),
    ...(windows.length > windowsMax ? [tooMany('spec.windows', windows.length, windowsMax)] : []),
    ...windows.flatMap((window, index) => validateWindow(window, `spec.windows[${index}]`)),
  ];
}

function validateDeadline(seconds: number | undefined): StatusCause[] {
  if (seconds === undefined || seconds > 0) return [];
  return [invalid('spec.progressDeadlineSeconds', seconds, 'must be greater than 0')];
}

function validateBatch({ name, selector, percent }: RolloutBatch, field: string): StatusCause[] {
  const causes = name === undefined ? [] : invalidFor(`${field}.name`, name, dnsLabel(name));
  if ((selector === undefined) === (percent === undefined))
    causes.push(invalid(field, { selector, percent }, 'must have either selector or percent'));
  return [
    ...causes,
    ...validateLabelSelector(selector, `${field}.selector`),
    ...validatePercent(percent, `${field}.percent`),
  ];
}

function validatePercent(percent: number | undefined, field: string): StatusCause[] {
  if (percent === undefined || (percent >= 1 && percent <= 100)) return [];
  return [invalid(field, percent, 'must be between 1 and 100, inclusive')];
}

/** Names are told apart, and shares grow. */
function validateOrder(batches: readonly RolloutBatch[]): StatusCause[] {
  const causes: StatusCause[] = [];
  const names = new Set(['rest']);
  let share = 0;
  for (const [index, { name, percent }] of batches.entries()) {
    const field = `spec.batches[${index}]`;
    if (name !== undefined && names.has(name)) causes.push(duplicate(`${field}.name`, name));
    if (name !== undefined) names.add(name);
    if (percent === undefined) continue;
    if (percent <= share)
      causes.push(invalid(`${field}.percent`, percent, 'must be greater than that of the batches before it'));
    share = percent;
  }
  return causes;
}

function validateWindow(window: MaintenanceWindow, field: string): StatusCause[] {
  const { schedule, durationSeconds, timeZone } = window;
  const causes = schedule ? validateSchedule(schedule, `${field}.schedule`) : [required(`${field}.schedule`)];
  if (schedule?.startsWith('@every'))
    causes.push(invalid(`${field}.schedule`, schedule, 'must name times of a clock'));
  if (!(durationSeconds >= 60 && durationSeconds <= windowSecondsMax))
    causes.push(
      invalid(
        `${field}.durationSeconds`,
        durationSeconds,
        `must be between 60 and ${windowSecondsMax}, inclusive`,
      ),
    );
  return [...causes, ...validateTimeZone(timeZone, `${field}.timeZone`)];
}
