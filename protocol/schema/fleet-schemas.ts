import { refTo, type Schema } from './schema.ts';
import { metaPrefix, timeName } from './well-known.ts';

/** The objects of our own group, fleet.flotilla.dev/v1alpha1; their types stand beside their kinds. */
const prefix = 'dev.flotilla.fleet.v1alpha1';
const group = 'fleet.flotilla.dev';

const text = (description: string): Schema => ({ type: 'string', description });
const count = (description: string): Schema => ({ type: 'integer', format: 'int32', description });
const flag = (description: string): Schema => ({ type: 'boolean', description });
const time = (description: string): Schema => ({ description, allOf: [{ $ref: refTo(timeName) }] });
const ref = (description: string, name: string): Schema => ({
  description,
  allOf: [{ $ref: refTo(name.includes('.') ? name : `${prefix}.${name}`) }],
});
const list = (description: string, name: string, keys?: string[]): Schema => ({
  type: 'array',
  description,
  items: { $ref: refTo(name.includes('.') ? name : `${prefix}.${name}`) },
  ...(keys
    ? { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }
    : { 'x-kubernetes-list-type': 'atomic' }),
});

const typeFields: Record<string, Schema> = {
  apiVersion: text('The group and version of this object.'),
  kind: text('The kind of this object.'),
};

const counts: Record<string, Schema> = {
  devices: count(
    'All devices (of a Deployment: pods) of the batch or rollout, whether they can be reached or not.',
  ),
  pending: count(
    'Devices that were out of reach before the new version was delivered to them. They neither block nor count, and get the newest version when they are back.',
  ),
  waiting: count('Reachable devices that still run an earlier version.'),
  updating: count('Devices that took the new version and have not been healthy for long enough yet.'),
  healthy: count('Devices on which the new version has been ready for healthySeconds.'),
  failed: count(
    'Devices that took the new version and then were not ready, or silent, for progressDeadlineSeconds, or crash again and again.',
  ),
  locked: count('Waiting devices whose app holds its update lock.'),
};

function part(
  name: string,
  description: string,
  properties: Record<string, Schema>,
  required: string[] = [],
): Record<string, Schema> {
  return {
    [`${prefix}.${name}`]: {
      description,
      type: 'object',
      ...(required.length > 0 ? { required } : {}),
      properties,
    },
  };
}

export const fleetSchemas: Record<string, Schema> = {
  [`${prefix}.RolloutPolicy`]: {
    description:
      'How new versions reach the devices of the DaemonSets and Deployments whose annotation fleet.flotilla.dev/rollout-policy names this object, in the same namespace.',
    type: 'object',
    properties: {
      ...typeFields,
      metadata: ref('Standard metadata.', `${metaPrefix}.ObjectMeta`),
      spec: ref('What is wished.', 'RolloutPolicySpec'),
      status: ref('What goes on. Written by the server.', 'RolloutPolicyStatus'),
    },
    'x-kubernetes-group-version-kind': [{ group, version: 'v1alpha1', kind: 'RolloutPolicy' }],
  },
  [`${prefix}.RolloutPolicyList`]: {
    description: 'A list of RolloutPolicy.',
    type: 'object',
    required: ['items'],
    properties: {
      ...typeFields,
      metadata: ref('Standard metadata.', `${metaPrefix}.ListMeta`),
      items: {
        type: 'array',
        description: 'The policies.',
        items: { $ref: refTo(`${prefix}.RolloutPolicy`) },
      },
    },
    'x-kubernetes-group-version-kind': [{ group, version: 'v1alpha1', kind: 'RolloutPolicyList' }],
  },
  ...part('RolloutPolicySpec', 'How new versions reach devices.', {
    batches: list(
      'Groups of devices that are updated one after the other; the next one starts when enough of this one are healthy. Devices that no batch takes are the last one. Without batches there is only that one.',
      'RolloutBatch',
    ),
    healthyPercent: count(
      'Share of the reachable devices of a batch that must be healthy before the next one starts, 1 to 100. Absent: 100. The batch has failed when so many failed that the share cannot be reached any more.',
    ),
    healthySeconds: count(
      'For how long a pod must be ready before its device counts as healthy. Absent: 60. The minReadySeconds of the workload holds too.',
    ),
    progressDeadlineSeconds: count(
      'For how long a device that took the new version may be not ready or silent before it counts as failed. Absent: 600.',
    ),
    onFailure: text(
      'What happens when a batch fails. Pause (absent: this): nothing more is updated until the workload changes or is told to try again by another value of its annotation fleet.flotilla.dev/resume. Rollback: the workload gets its earlier template back, and the version that failed is not tried again.',
    ),
    windows: list(
      'When pods may be replaced. Absent: at any time. In a rollback, pods that are not ready are replaced at any time.',
      'MaintenanceWindow',
    ),
    lockMaxAgeSeconds: count(
      "For how long an app's update lock is respected; see the annotation fleet.flotilla.dev/update-lock of pods. Absent: 3600. 0: locks are ignored.",
    ),
    paused: flag('While true nothing is updated and nothing is rolled back.'),
  }),
  ...part('RolloutBatch', 'Devices that are updated together. Either selector or percent.', {
    name: text('What status and events call it; unique. Absent: batch-1, batch-2, …'),
    selector: ref('Labels of its nodes.', `${metaPrefix}.LabelSelector`),
    percent: count(
      'Takes as many devices, chosen evenly by a hash of their names, that this and the earlier batches make up this share of all devices, 1 to 100.',
    ),
  }),
  ...part(
    'MaintenanceWindow',
    'A time that comes again and again.',
    {
      schedule: text('When it opens: a cron expression of five fields, such as "0 2 * * 6".'),
      durationSeconds: count('For how long it is open, 60 seconds to a week.'),
      timeZone: text('An IANA name such as Europe/Berlin, whose clocks the schedule follows. Absent: UTC.'),
    },
    ['schedule', 'durationSeconds'],
  ),
  ...part('RolloutPolicyStatus', 'What goes on.', {
    observedGeneration: {
      type: 'integer',
      format: 'int64',
      description: 'The generation of the policy that this is about.',
    },
    phase: text(
      'The phase of the rollout that needs a person most: Failed, Paused, RollingBack, Progressing, RolledBack, Complete.',
    ),
    rollouts: list('One for each workload that names this policy.', 'WorkloadRollout', ['kind', 'name']),
    conditions: list(
      'Progressing: whether an update is under way. Degraded: whether one has failed.',
      `${metaPrefix}.Condition`,
      ['type'],
    ),
  }),
  ...part(
    'WorkloadRollout',
    'The rollout of one workload.',
    {
      kind: text('DaemonSet or Deployment.'),
      name: text('Name of the workload.'),
      uid: text('UID of the workload.'),
      revision: text('Hash of the template that is being rolled out, as pods bear it.'),
      stableRevision: text(
        'Hash of the template that the last complete rollout brought; a rollback goes there.',
      ),
      failedRevision: text(
        'Hash of the template that failed last. It is not tried again unless the workload is told to by its annotation fleet.flotilla.dev/resume.',
      ),
      resumed: text('The value of that annotation that was last acted upon.'),
      phase: text('Progressing, Paused (spec.paused), Failed, RollingBack, RolledBack or Complete.'),
      reason: text('In one word, why it is in this phase or waits.'),
      message: text('The same for people.'),
      batch: text('Name of the batch that is being updated.'),
      passed: count('How many batches have passed.'),
      startedAt: time('When this revision was first seen.'),
      ...counts,
      batches: list('The same for each batch.', 'BatchStatus', ['name']),
    },
    ['kind', 'name', 'phase'],
  ),
  ...part(
    'BatchStatus',
    'How far a batch is.',
    {
      name: text('Name of the batch.'),
      phase: text('Waiting, Updating, Passed or Failed.'),
      ...counts,
    },
    ['name', 'phase'],
  ),
};

export const rolloutPolicySchema = `${prefix}.RolloutPolicy`;
