import { apiVersionOf, type KindDefinition } from '../../protocol/kinds/define-kind.ts';

/** One useful object of each kind, without its name and namespace: what a user's first manifest of it says. */
const labels = { app: 'web' };
const selector = { matchLabels: labels };
const containers = [{ name: 'web', image: 'web:1' }];
const template = { metadata: { labels }, spec: { containers } };
const oneTimeTemplate = { spec: { restartPolicy: 'Never', containers } };
const gibibyte = { storage: '1Gi' };
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const claimSpec = { spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] } } };
const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] };
const webhook = {
  name: 'pods.example.com',
  admissionReviewVersions: ['v1'],
  sideEffects: 'None',
  clientConfig: { service: { namespace: 'default', name: 'web' } },
  rules: [rule],
};
const certificateRequest = Buffer.from(
  [
    '-----BEGIN CERTIFICATE REQUEST-----',
    'MIHbMIGCAgEAMCAxDDAKBgNVBAMMA3dlYjEQMA4GA1UECgwHdGVzdGVyczBZMBMG',
    'ByqGSM49AgEGCCqGSM49AwEHA0IABNlzTWjAmprWUQ6oOgMmEHmsXoUF/YZWgfGH',
    'wtxvxOECwzjN+nDuBprWWWNfYWeKuzSNyqa+72z9NJ1/PFsTrDygADAKBggqhkjO',
    'PQQDAgNIADBFAiBcrtYHhWIrNFkcAWA7xD2bDhFQFyM3vi7klCagwMfd1gIhAOla',
    'F7bzP9X1Zvmr9FanppqPzE4nDNlMFErUtigLoDfd',
    '-----END CERTIFICATE REQUEST-----',
    '',
  ].join('\n'),
).toString('base64');

const samples: Readonly<Record<string, object>> = {
  'v1 Endpoints': { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
  'v1 LimitRange': {
    spec: { limits: [{ type: 'Container', max: { memory: '1Gi' }, min: { memory: '1Mi' } }] },
  },
  'v1 PersistentVolume': {
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: gibibyte,
      hostPath: { path: '/data' },
      storageClassName: 'local',
    },
  },
  'v1 PersistentVolumeClaim': { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: gibibyte } } },
  'v1 PodTemplate': { template },
  'v1 ReplicationController': { spec: { selector: labels, template } },
  'v1 ResourceQuota': { spec: { hard: { pods: '10', 'requests.cpu': '4', 'count/jobs.batch': '5' } } },
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicy': {
    spec: {
      matchConstraints: { resourceRules: [rule] },
      mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression: '[]' } }],
      reinvocationPolicy: 'Never',
    },
  },
  'admissionregistration.k8s.io/v1 MutatingAdmissionPolicyBinding': { spec: { policyName: 'web' } },
  'admissionregistration.k8s.io/v1 MutatingWebhookConfiguration': { webhooks: [webhook] },
  'admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration': { webhooks: [webhook] },
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy': {
    spec: {
      matchConstraints: { resourceRules: [rule] },
      validations: [{ expression: 'object.metadata.name != "x"' }],
    },
  },
  'admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding': {
    spec: { policyName: 'web', validationActions: ['Deny'] },
  },
  'apps/v1 ControllerRevision': { data: { spec: { replicas: 1 } }, revision: 1 },
  'apps/v1 DaemonSet': { spec: { selector, template } },
  'apps/v1 StatefulSet': {
    spec: {
      serviceName: 'web',
      selector,
      template: {
        metadata: { labels },
        spec: { containers: [{ ...containers[0], volumeMounts: [{ name: 'data', mountPath: '/data' }] }] },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: gibibyte } },
        },
      ],
    },
  },
  'autoscaling/v1 HorizontalPodAutoscaler': {
    spec: { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage: 60 },
  },
  'autoscaling/v2 HorizontalPodAutoscaler': {
    spec: {
      scaleTargetRef,
      maxReplicas: 5,
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'memory', target: { type: 'AverageValue', averageValue: '64Mi' } },
        },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 60 } },
    },
  },
  'batch/v1 CronJob': {
    spec: { schedule: '*/5 * * * *', jobTemplate: { spec: { template: oneTimeTemplate } } },
  },
  'batch/v1 Job': { spec: { template: oneTimeTemplate } },
  'certificates.k8s.io/v1 CertificateSigningRequest': {
    spec: { request: certificateRequest, signerName: 'example.com/signer', usages: ['client auth'] },
  },
  'discovery.k8s.io/v1 EndpointSlice': {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
    ports: [{ name: 'http', port: 80 }],
  },
  'events.k8s.io/v1 Event': {
    eventTime: '2026-01-31T12:00:00.000000Z',
    reportingController: 'example.com/tester',
    reportingInstance: 'tester-1',
    action: 'Testing',
    reason: 'Tested',
    type: 'Normal',
    note: 'tested',
    regarding: { kind: 'Pod', namespace: 'default', name: 'web' },
  },
  'networking.k8s.io/v1 IPAddress': {
    spec: { parentRef: { resource: 'services', namespace: 'default', name: 'web' } },
  },
  'apiregistration.k8s.io/v1 APIService': {
    spec: {
      group: 'example.com',
      version: 'v1',
      groupPriorityMinimum: 100,
      versionPriority: 10,
      service: { namespace: 'default', name: 'web' },
    },
  },
  'networking.k8s.io/v1 Ingress': {
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
          host: 'web.example.com',
          http: {
            paths: [
              { path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } },
            ],
          },
        },
      ],
    },
  },
  'networking.k8s.io/v1 IngressClass': { spec: { controller: 'example.com/controller' } },
  'networking.k8s.io/v1 NetworkPolicy': {
    spec: {
      podSelector: selector,
      ingress: [
        { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ port: 80 }] },
      ],
    },
  },
  'networking.k8s.io/v1 ServiceCIDR': { spec: { cidrs: ['10.96.0.0/12'] } },
  'node.k8s.io/v1 RuntimeClass': { handler: 'process' },
  'policy/v1 PodDisruptionBudget': { spec: { minAvailable: 1, selector } },
  'resource.k8s.io/v1 DeviceClass': { spec: {} },
  'resource.k8s.io/v1 ResourceClaim': claimSpec,
  'resource.k8s.io/v1 ResourceClaimTemplate': { spec: claimSpec },
  'resource.k8s.io/v1 ResourceSlice': {
    spec: {
      driver: 'example.com',
      nodeName: 'n1',
      pool: { name: 'n1', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'gpu' }],
    },
  },
  'fleet.flotilla.dev/v1alpha1 RolloutPolicy': {
    spec: { batches: [{ name: 'canary', selector }, { percent: 20 }] },
  },
  'scheduling.k8s.io/v1 PriorityClass': { value: 1000 },
  'storage.k8s.io/v1 CSIDriver': {},
  'storage.k8s.io/v1 CSINode': { spec: { drivers: [{ name: 'example.com', nodeID: 'n1' }] } },
  'storage.k8s.io/v1 CSIStorageCapacity': { storageClassName: 'local', capacity: '10Gi' },
  'storage.k8s.io/v1 StorageClass': { provisioner: 'example.com/local' },
  'storage.k8s.io/v1 VolumeAttachment': {
    spec: { attacher: 'example.com', nodeName: 'n1', source: { persistentVolumeName: 'web' } },
  },
  'storage.k8s.io/v1 VolumeAttributesClass': { driverName: 'example.com', parameters: { iops: '100' } },
};

/** A name that the kind takes. */
export function sampleName({ kind }: Pick<KindDefinition, 'kind'>): string {
  if (kind === 'CustomResourceDefinition') return 'things.example.com';
  if (kind === 'APIService') return 'v1.example.com';
  return kind === 'IPAddress' ? '10.0.0.1' : 'web';
}

/** A copy; undefined for a kind that has no sample here. */
export function sampleOf(kind: Pick<KindDefinition, 'group' | 'version' | 'kind'>): object | undefined {
  const sample = samples[`${apiVersionOf(kind)} ${kind.kind}`];
  return sample && structuredClone(sample);
}

/** Of the kinds that need no version to tell them apart, or nothing at all. */
const plainSamples: Readonly<Record<string, object>> = {
  Namespace: {},
  Node: { spec: { unschedulable: true } },
  Pod: { metadata: { labels }, spec: { containers } },
  Event: {
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'web' },
    reason: 'Started',
    message: 'started',
    type: 'Normal',
  },
  ConfigMap: { data: { key: 'value' } },
  Secret: { stringData: { key: 'value' } },
  Service: { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } },
  ServiceAccount: {},
  Deployment: { spec: { selector, template } },
  ReplicaSet: { spec: { selector, template } },
  Role: { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  RoleBinding: { roleRef: { kind: 'Role', name: 'reader' }, subjects: [{ kind: 'User', name: 'anna' }] },
  ClusterRole: { rules: [{ nonResourceURLs: ['/metrics'], verbs: ['get'] }] },
  ClusterRoleBinding: {
    roleRef: { kind: 'ClusterRole', name: 'reader' },
    subjects: [{ kind: 'Group', name: 'team' }],
  },
  CustomResourceDefinition: {
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  },
  Lease: { spec: { holderIdentity: 'me', leaseDurationSeconds: 15 } },
};

/** A copy, for every kind that the API serves: a new kind needs a sample here. */
export function anySampleOf(kind: Pick<KindDefinition, 'group' | 'version' | 'kind'>): object | undefined {
  const plain = plainSamples[kind.kind];
  return sampleOf(kind) ?? (plain && structuredClone(plain));
}
