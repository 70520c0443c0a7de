import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../../../protocol/generated/models.ts';
import { deploymentKind } from '../../../../protocol/kinds/deployment.ts';
import { replicaSetKind } from '../../../../protocol/kinds/replica-set.ts';
import { admit, faults, row, updateFaults } from './admit.ts';

const deploymentOf = (spec: Partial<DeploymentSpec> = {}): Deployment => ({
  metadata: { name: 'web', namespace: 'here' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'a', image: 'a:1' }] } },
    ...spec,
  },
});

test('a deployment that says little is filled in as Kubernetes fills it in', () => {
  const { spec, status } = admit(deploymentKind, { ...deploymentOf(), status: { replicas: 7 } });
  const { template, selector: _, ...rest } = spec ?? deploymentOf().spec ?? { template: {} };
  assert.deepEqual(rest, {
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
  });
  assert.equal(template.spec?.dnsPolicy, 'ClusterFirst');
  assert.equal(template.spec?.containers[0]?.imagePullPolicy, 'IfNotPresent');
  assert.equal(template.spec?.tolerations, undefined, 'what admission adds to pods is not in templates');
  assert.deepEqual(status, {}, 'a client does not choose the status');
});

test('a chosen strategy is kept', () => {
  const recreate = admit(deploymentKind, deploymentOf({ strategy: { type: 'Recreate' } }));
  assert.deepEqual(recreate.spec?.strategy, { type: 'Recreate' });
  const careful = admit(
    deploymentKind,
    deploymentOf({ replicas: 0, strategy: { rollingUpdate: { maxSurge: 0 } } }),
  );
  assert.deepEqual(careful.spec?.strategy, {
    type: 'RollingUpdate',
    rollingUpdate: { maxUnavailable: '25%', maxSurge: 0 },
  });
  assert.equal(careful.spec?.replicas, 0);
});

const percent =
  "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const refused: [Partial<DeploymentSpec>, string[]][] = [
  [
    {
      template: { metadata: { labels: { app: 'api' } }, spec: { containers: [{ name: 'a', image: 'a:1' }] } },
    },
    [
      'spec.template.metadata.labels: Invalid value: {"app":"api"}: `selector` does not match template `labels`',
    ],
  ],
  [{ selector: {} }, ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']],
  [
    { selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } },
    [
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ],
  ],
  [{ replicas: -1 }, ['spec.replicas: Invalid value: -1: must be greater than or equal to 0']],
  [
    { minReadySeconds: 600 },
    ['spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds'],
  ],
  [
    { strategy: { type: 'Recreate', rollingUpdate: {} } },
    ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
  ],
  [
    { strategy: { type: 'Other' } },
    [
      'spec.strategy: Unsupported value: {"Type":"Other","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"',
    ],
  ],
  [
    { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } },
    ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0'],
  ],
  [
    { strategy: { rollingUpdate: { maxSurge: 'some', maxUnavailable: '101%' } } },
    [
      `spec.strategy.rollingUpdate.maxSurge: Invalid value: "some": ${percent}`,
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ],
  ],
  [
    {
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { restartPolicy: 'Never', activeDeadlineSeconds: 5, containers: [{ name: 'a', image: 'a:1' }] },
      },
    },
    [
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
    ],
  ],
];

suite('a deployment is refused in the words of Kubernetes', () => {
  for (const [spec, expected] of refused) {
    test(expected[0] ?? '', () => assert.deepEqual(faults(deploymentKind, deploymentOf(spec)), expected));
  }
});

test('the selector of a deployment or replica set never changes', () => {
  const change = (next: Deployment | ReplicaSet) => {
    if (next.spec) next.spec.selector = { matchLabels: { app: 'other' } };
  };
  const expected = ['spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable'];
  assert.deepEqual(updateFaults(deploymentKind, deploymentOf(), change), expected);
  assert.deepEqual(updateFaults(replicaSetKind, deploymentOf() as ReplicaSet, change), expected);
  const scaled = updateFaults(deploymentKind, deploymentOf(), (next) =>
    deploymentKind.scale?.setReplicas(next, 5),
  );
  assert.deepEqual(scaled, []);
});

test('columns and scale of a deployment', () => {
  const object: Deployment = {
    ...deploymentOf({ replicas: 3, selector: { matchLabels: { b: '2', a: '1' } } }),
    status: { replicas: 4, readyReplicas: 2, updatedReplicas: 1, availableReplicas: 2 },
  };
  const { Ready, Containers, Images, Selector, ...rest } = row(deploymentKind, object);
  assert.deepEqual([Ready, rest['Up-to-date'], rest['Available']], ['2/3', 1, 2]);
  assert.deepEqual([Containers, Images, Selector], ['a', 'a:1', 'a=1,b=2']);
  const { scale } = deploymentKind;
  assert.deepEqual(
    [scale?.replicas(object), scale?.statusReplicas(object), scale?.selector(object)],
    [3, 4, 'a=1,b=2'],
  );
});

test('columns of a replica set are numbers', () => {
  const cells = row(replicaSetKind, {
    ...(deploymentOf({ replicas: 3 }) as ReplicaSet),
    status: { replicas: 2, readyReplicas: 1 },
  });
  assert.deepEqual([cells['Desired'], cells['Current'], cells['Ready']], [3, 2, 1]);
});
