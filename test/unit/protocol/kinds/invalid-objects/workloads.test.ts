import { describe } from 'node:test';
import { controllerRevisionKind } from '../../../../../protocol/kinds/controller-revision.ts';
import { cronJobKind } from '../../../../../protocol/kinds/cron-job.ts';
import { daemonSetKind } from '../../../../../protocol/kinds/daemon-set.ts';
import { deploymentKind } from '../../../../../protocol/kinds/deployment.ts';
import { horizontalPodAutoscalerKind } from '../../../../../protocol/kinds/horizontal-pod-autoscaler.ts';
import { jobKind } from '../../../../../protocol/kinds/job.ts';
import { podDisruptionBudgetKind } from '../../../../../protocol/kinds/pod-disruption-budget.ts';
import { replicaSetKind } from '../../../../../protocol/kinds/replica-set.ts';
import { statefulSetKind } from '../../../../../protocol/kinds/stateful-set.ts';
import { notNegative, type Refusal, refuses, refusesChange } from './refusals.ts';

const metadata = { name: 's', namespace: 'here', uid: 'u' };
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'i' }] } };
const spec = { selector: { matchLabels: { a: 'b' } }, template };
const percent =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const unsupported = (value: unknown, ...supported: string[]) =>
  `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((one) => `"${one}"`).join(', ')}`;
const otherSelector = { matchLabels: { c: 'd' } };
const fixedSelector: Refusal[] = [
  [
    'spec.selector',
    otherSelector,
    'spec.selector: Invalid value: {"matchLabels":{"c":"d"}}: field is immutable',
  ],
];
/** What the kinds that keep pods by a selector refuse in the same words. */
const selecting = (word: string, pods: string): Refusal[] => [
  ['spec.selector', undefined, 'spec.selector: Required value'],
  ['spec.selector', {}, `spec.selector: Invalid value: {}: empty selector is invalid for ${word}`],
  [
    'spec.selector',
    otherSelector,
    'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`',
  ],
  [
    'spec.selector',
    { matchExpressions: [{ key: 'a', operator: 'Is' }] },
    'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
  ],
  [
    'spec.selector',
    { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'In' }] },
    "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
  ],
  ['spec.minReadySeconds', -1, `spec.minReadySeconds: Invalid value: -1: ${notNegative}`],
  [
    'spec.template.spec.restartPolicy',
    'Never',
    `spec.template.spec.restartPolicy: ${unsupported('Never', 'Always')}`,
  ],
  [
    'spec.template.spec.activeDeadlineSeconds',
    5,
    `spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ${pods} is not Supported`,
  ],
  ['spec.template.spec.containers', [], 'spec.template.spec.containers: Required value'],
];
const counts = (of: string): Refusal[] => [
  [`status.${of}`, -1, `status.${of}: Invalid value: -1: ${notNegative}`],
  ['spec.minReadySeconds', -1],
];

describe('deployments', () => {
  const rolling = 'spec.strategy.rollingUpdate';
  refuses(deploymentKind, { metadata, spec }, [
    ...selecting('deployment', 'ReplicaSet'),
    ['spec.replicas', -1, `spec.replicas: Invalid value: -1: ${notNegative}`],
    ['spec.revisionHistoryLimit', -1, `spec.revisionHistoryLimit: Invalid value: -1: ${notNegative}`],
    [
      'spec.progressDeadlineSeconds',
      -1,
      `spec.progressDeadlineSeconds: Invalid value: -1: ${notNegative}`,
      'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds',
    ],
    [
      'spec.minReadySeconds',
      600,
      'spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds',
    ],
    [
      'spec.strategy',
      { type: 'Other' },
      `spec.strategy: ${unsupported({ Type: 'Other', RollingUpdate: null }, 'Recreate', 'RollingUpdate')}`,
    ],
    [
      'spec.strategy',
      { type: 'Recreate', rollingUpdate: {} },
      `${rolling}: Forbidden: may not be specified when strategy \`type\` is 'Recreate'`,
    ],
    [
      rolling,
      { maxUnavailable: 0, maxSurge: '0%' },
      `${rolling}.maxUnavailable: Invalid value: 0: may not be 0 when \`maxSurge\` is 0`,
    ],
    [
      rolling,
      { maxUnavailable: '101%' },
      `${rolling}.maxUnavailable: Invalid value: "101%": must not be greater than 100%`,
    ],
    [rolling, { maxSurge: 'many' }, `${rolling}.maxSurge: Invalid value: "many": ${percent}`],
    [rolling, { maxSurge: -1 }, `${rolling}.maxSurge: Invalid value: -1: ${notNegative}`],
  ]);
  refusesChange(deploymentKind, { metadata, spec }, fixedSelector);
  refusesChange(
    deploymentKind,
    { metadata, spec },
    [
      ...counts('observedGeneration'),
      [
        'status.updatedReplicas',
        1,
        'status.updatedReplicas: Invalid value: 1: cannot be greater than status.replicas',
      ],
      [
        'status',
        { replicas: 1, availableReplicas: 1 },
        'status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas',
      ],
    ],
    'status',
  );
});

describe('the other sets of pods', () => {
  refuses(replicaSetKind, { metadata, spec }, selecting('deployment', 'ReplicaSet'));
  refusesChange(replicaSetKind, { metadata, spec }, fixedSelector);
  refusesChange(replicaSetKind, { metadata, spec }, counts('observedGeneration'), 'status');

  const update = 'spec.updateStrategy';
  refuses(daemonSetKind, { metadata, spec }, [
    ...selecting('daemonset', 'DaemonSet'),
    [
      update,
      { type: 'Never' },
      `${update}: ${unsupported({ Type: 'Never', RollingUpdate: null }, 'RollingUpdate', 'OnDelete')}`,
    ],
    [
      `${update}.rollingUpdate`,
      { maxUnavailable: 1, maxSurge: 1 },
      `${update}.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero`,
    ],
    [
      `${update}.rollingUpdate`,
      { maxUnavailable: 0 },
      `${update}.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0`,
    ],
    [
      `${update}.rollingUpdate`,
      { maxUnavailable: '200%' },
      `${update}.rollingUpdate.maxUnavailable: Invalid value: "200%": must not be greater than 100%`,
    ],
  ]);
  refusesChange(daemonSetKind, { metadata, spec }, fixedSelector);
  refusesChange(daemonSetKind, { metadata, spec }, counts('numberReady'), 'status');

  refuses(statefulSetKind, { metadata, spec }, [
    ...selecting('statefulset', 'StatefulSet'),
    [
      'spec.podManagementPolicy',
      'Random',
      "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'",
    ],
    [update, { type: 'OnDelete', rollingUpdate: {} }, /only allowed for updateStrategy 'RollingUpdate'$/],
    [
      update,
      { rollingUpdate: { partition: -1 } },
      `${update}.rollingUpdate.partition: Invalid value: -1: ${notNegative}`,
    ],
    [
      update,
      { rollingUpdate: { maxUnavailable: 0 } },
      `${update}.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0`,
    ],
    ['spec.ordinals.start', -1, `spec.ordinals.start: Invalid value: -1: ${notNegative}`],
    [
      'spec.persistentVolumeClaimRetentionPolicy.whenScaled',
      'Keep',
      `spec.persistentVolumeClaimRetentionPolicy.whenScaled: ${unsupported('Keep', 'Delete', 'Retain')}`,
    ],
  ]);
  refusesChange(statefulSetKind, { metadata, spec }, [
    [
      'spec.serviceName',
      'other',
      "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    ],
    ['spec.replicas', 5],
  ]);
  refusesChange(
    statefulSetKind,
    { metadata, spec },
    [
      ...counts('collisionCount').slice(1),
      [
        'status.currentReplicas',
        2,
        'status.currentReplicas: Invalid value: 2: cannot be greater than status.replicas',
      ],
      [
        'status',
        { replicas: 2, availableReplicas: 2 },
        'status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas',
      ],
    ],
    'status',
  );
  refuses(controllerRevisionKind, { metadata, data: {}, revision: 1 }, [
    ['data', undefined, 'data: Required value: data is mandatory'],
    ['revision', -1, `revision: Invalid value: -1: ${notNegative}`],
  ]);
  refusesChange(controllerRevisionKind, { metadata, data: {}, revision: 1 }, [
    ['data', { a: 1 }, 'data: Invalid value: {"a":1}: field is immutable'],
  ]);
});

describe('jobs', () => {
  const once = { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'i' }] } };
  const job = { metadata, spec: { template: once } };
  const rules = 'spec.podFailurePolicy.rules';
  const rule = (onExitCodes: object) => [
    { action: 'Ignore', onExitCodes: { operator: 'In', values: [1], ...onExitCodes } },
  ];
  refuses(jobKind, job, [
    ['spec.parallelism', -1, `spec.parallelism: Invalid value: -1: ${notNegative}`],
    ['spec.completions', -1, `spec.completions: Invalid value: -1: ${notNegative}`],
    ['spec.backoffLimit', -1, `spec.backoffLimit: Invalid value: -1: ${notNegative}`],
    ['spec.activeDeadlineSeconds', -1, `spec.activeDeadlineSeconds: Invalid value: -1: ${notNegative}`],
    ['spec.ttlSecondsAfterFinished', -1, `spec.ttlSecondsAfterFinished: Invalid value: -1: ${notNegative}`],
    [
      'spec.completionMode',
      'Random',
      `spec.completionMode: ${unsupported('Random', 'NonIndexed', 'Indexed')}`,
    ],
    [
      'spec',
      { template: once, completionMode: 'Indexed', parallelism: 1 },
      'spec.completions: Required value: when completion mode is Indexed',
    ],
    [
      'spec.backoffLimitPerIndex',
      1,
      'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
    ],
    [
      'spec.template.spec.restartPolicy',
      'Always',
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'spec.podReplacementPolicy',
      'Now',
      `spec.podReplacementPolicy: ${unsupported('Now', 'Failed', 'TerminatingOrFailed')}`,
    ],
    [
      'spec.managedBy',
      'me',
      'spec.managedBy: Invalid value: "me": must be a domain-prefixed path (such as "acme.io/foo")',
    ],
    [
      'spec.successPolicy',
      { rules: [] },
      'spec.successPolicy: Invalid value: {"rules":[]}: requires indexed completion mode',
    ],
    [
      rules,
      [{ action: 'Nothing', onPodConditions: [{ type: 'A' }] }],
      `${rules}[0].action: ${unsupported('Nothing', 'Count', 'FailIndex', 'FailJob', 'Ignore')}`,
    ],
    [
      rules,
      rule({ values: [0] }),
      `${rules}[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator`,
    ],
    [
      rules,
      rule({ values: [2, 1] }),
      `${rules}[0].onExitCodes.values: Invalid value: [2,1]: must be ordered`,
    ],
    [rules, rule({ values: [2, 2] }), `${rules}[0].onExitCodes.values[1]: Duplicate value: 2`],
    [
      rules,
      rule({ operator: 'Is' }),
      `${rules}[0].onExitCodes.operator: ${unsupported('Is', 'In', 'NotIn')}`,
    ],
    [
      rules,
      rule({ containerName: 'z' }),
      `${rules}[0].onExitCodes.containerName: Invalid value: "z": must be one of the container or initContainer names in the pod template`,
    ],
  ]);
  refusesChange(jobKind, job, [
    ['spec.completions', 5, 'spec.completions: Invalid value: 5: field is immutable'],
    [
      'spec.selector',
      otherSelector,
      'spec.selector: Invalid value: {"matchLabels":{"c":"d"}}: field is immutable',
    ],
    ['spec.suspend', true],
  ]);

  const cron = { metadata, spec: { schedule: '* * * * *', jobTemplate: { spec: { template: once } } } };
  refuses(cronJobKind, cron, [
    ['spec.schedule', '', 'spec.schedule: Required value'],
    [
      'spec.schedule',
      'TZ=UTC * * * * *',
      'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
    ['spec.timeZone', '', 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
    [
      'spec.timeZone',
      'Local',
      'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    ],
    [
      'spec.timeZone',
      'Nowhere/City',
      'spec.timeZone: Invalid value: "Nowhere/City": unknown time zone Nowhere/City',
    ],
    [
      'spec.concurrencyPolicy',
      'Wait',
      `spec.concurrencyPolicy: ${unsupported('Wait', 'Allow', 'Forbid', 'Replace')}`,
    ],
    ['spec.startingDeadlineSeconds', -1, `spec.startingDeadlineSeconds: Invalid value: -1: ${notNegative}`],
    ['spec.failedJobsHistoryLimit', -1, `spec.failedJobsHistoryLimit: Invalid value: -1: ${notNegative}`],
    [
      'spec.jobTemplate.spec.selector',
      {},
      'spec.jobTemplate.spec.selector: Invalid value: {}: `selector` will be auto-generated',
    ],
    [
      'spec.jobTemplate.spec.manualSelector',
      true,
      `spec.jobTemplate.spec.manualSelector: ${unsupported('true', 'nil', 'false')}`,
    ],
    [
      'metadata.name',
      'a'.repeat(53),
      `metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`,
    ],
  ]);
});

describe('autoscalers and budgets', () => {
  const scaler = {
    metadata,
    spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' } },
  };
  const metric = (source: object) => [{ type: 'Resource', resource: { name: 'cpu', target: source } }];
  const m = 'spec.metrics[0]';
  const behavior = 'spec.behavior.scaleUp';
  refuses(horizontalPodAutoscalerKind, scaler, [
    ['spec.minReplicas', 0, 'spec.minReplicas: Invalid value: 0: must be greater than or equal to 1'],
    [
      'spec.maxReplicas',
      0,
      'spec.maxReplicas: Invalid value: 0: must be greater than 0',
      'spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`',
    ],
    [
      'spec.minReplicas',
      4,
      'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`',
    ],
    ['spec.scaleTargetRef.kind', '', 'spec.scaleTargetRef.kind: Required value'],
    ['spec.scaleTargetRef.name', '..', 'spec.scaleTargetRef.name: Invalid value: "..": may not be \'..\''],
    [
      'spec.metrics',
      [{ type: 'Rumour' }],
      `${m}.type: ${unsupported('Rumour', 'ContainerResource', 'External', 'Object', 'Pods', 'Resource')}`,
    ],
    [
      'spec.metrics',
      [{ type: 'Resource' }],
      `${m}.resource: Required value: must populate information for the given metric source`,
    ],
    [
      'spec.metrics',
      metric({ type: 'Utilization' }),
      `${m}.resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization`,
    ],
    [
      'spec.metrics',
      metric({ type: 'Value', averageValue: '0' }),
      `${m}.resource.target.averageValue: Invalid value: "0": must be positive`,
    ],
    [
      'spec.metrics',
      metric({ type: 'Sum', averageUtilization: 0 }),
      `${m}.resource.target.type: Invalid value: "Sum": must be either Utilization, Value, or AverageValue`,
      `${m}.resource.target.averageUtilization: Invalid value: 0: must be greater than 0`,
    ],
    [
      behavior,
      { stabilizationWindowSeconds: 3601 },
      `${behavior}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600`,
    ],
    [
      behavior,
      { selectPolicy: 'Any' },
      `${behavior}.selectPolicy: ${unsupported('Any', 'Disabled', 'Max', 'Min')}`,
    ],
    [
      behavior,
      { policies: [{ type: 'Pods', value: 0, periodSeconds: 1801 }] },
      `${behavior}.policies[0].value: Invalid value: 0: must be greater than zero`,
      `${behavior}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800`,
    ],
  ]);
  refusesChange(
    horizontalPodAutoscalerKind,
    scaler,
    [...counts('desiredReplicas').slice(0, 1), ['spec.maxReplicas', -1]],
    'status',
  );

  refuses(podDisruptionBudgetKind, { metadata, spec: { minAvailable: 1 } }, [
    [
      'spec.maxUnavailable',
      1,
      'spec: Invalid value: {"MinAvailable":1,"Selector":null,"MaxUnavailable":1,"UnhealthyPodEvictionPolicy":null}: minAvailable and maxUnavailable cannot be both set',
    ],
    ['spec.minAvailable', -1, `spec.minAvailable: Invalid value: -1: ${notNegative}`],
    ['spec.minAvailable', '150%', 'spec.minAvailable: Invalid value: "150%": must not be greater than 100%'],
    ['spec.minAvailable', 'most', `spec.minAvailable: Invalid value: "most": ${percent}`],
    [
      'spec.unhealthyPodEvictionPolicy',
      'Never',
      `spec.unhealthyPodEvictionPolicy: ${unsupported('Never', 'AlwaysAllow', 'IfHealthyBudget')}`,
    ],
  ]);
  refusesChange(
    podDisruptionBudgetKind,
    { metadata, spec: {} },
    counts('expectedPods').slice(0, 1),
    'status',
  );
});
