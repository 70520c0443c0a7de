import { fleetSchemas } from './fleet-schemas.ts';
import { metricsSchemas } from './metrics-schemas.ts';
import type { Schema } from './schema.ts';
import { intOrStringName, metaPrefix, microTimeName, quantityName, timeName } from './well-known.ts';

/**
 * What Kubernetes' Go sources know and the official client's models do not: how lists merge, which strings are
 * quantities, and the few schemas that the client replaces by native types. Used only by generate-models.ts, which
 * refuses an entry that fits no model.
 *
 * Source of the merge rules: the `patchStrategy`, `patchMergeKey` and `+listType` marks of k8s.io/api at release 1.36.
 */

/** Schemas the API needs beside those of the registered kinds, by model name. */
export const extraModels = {
  [metaPrefix]: [
    'V1Status',
    'V1DeleteOptions',
    'V1WatchEvent',
    'V1APIResourceList',
    'V1APIGroup',
    'V1APIGroupList',
    'V1APIVersions',
    'V1LabelSelector',
    'V1FieldSelectorRequirement',
    'V1Condition',
  ],
  'io.k8s.api.core.v1': ['V1Binding'],
  'io.k8s.api.autoscaling.v1': ['V1Scale'],
  'io.k8s.api.policy.v1': ['V1Eviction'],
  'io.k8s.api.authentication.v1': ['AuthenticationV1TokenRequest'],
} as const;

/** Everything reachable from these belongs to core, wherever else it is used. */
export const coreModels = [
  'V1Binding',
  'V1ComponentStatus',
  'V1ConfigMap',
  'V1Endpoints',
  'CoreV1Event',
  'V1LimitRange',
  'V1Namespace',
  'V1Node',
  'V1PersistentVolume',
  'V1PersistentVolumeClaim',
  'V1Pod',
  'V1PodTemplate',
  'V1ReplicationController',
  'V1ResourceQuota',
  'V1Secret',
  'V1Service',
  'V1ServiceAccount',
  'V1TopologySelectorTerm',
];

export const nativeSchemas: Record<string, Schema> = {
  ...fleetSchemas,
  ...metricsSchemas,
  [timeName]: {
    type: 'string',
    format: 'date-time',
    description: 'A moment in RFC 3339 form, to the second, such as 2026-01-31T12:00:00Z.',
  },
  [microTimeName]: {
    type: 'string',
    format: 'date-time',
    description: 'A moment in RFC 3339 form, to the microsecond.',
  },
  [`${metaPrefix}.Patch`]: {
    type: 'object',
    description: 'The body of a PATCH request; its form follows from the content type.',
  },
  [quantityName]: {
    description:
      'A fixed-point number with an optional suffix: decimal (n, u, m, k, M, G, T, P, E), binary (Ki, Mi, Gi, Ti, Pi, Ei) or an exponent (1e3). Examples: 500m, 1.5, 64Mi.',
    oneOf: [{ type: 'string' }, { type: 'number' }],
  },
  [intOrStringName]: {
    description: 'Either a 32-bit integer or a string, such as a port number or the name of a port.',
    format: 'int-or-string',
    oneOf: [{ type: 'integer' }, { type: 'string' }],
    'x-kubernetes-int-or-string': true,
  },
};

/** Fields whose string, or whose map's values, are quantities. */
export const quantityFields = [
  'V1ResourceRequirements.limits',
  'V1ResourceRequirements.requests',
  'V1VolumeResourceRequirements.limits',
  'V1VolumeResourceRequirements.requests',
  'V1EmptyDirVolumeSource.sizeLimit',
  'V1ResourceFieldSelector.divisor',
  'V1NodeStatus.allocatable',
  'V1NodeStatus.capacity',
  'V1PodSpec.overhead',
  'V1PodStatus.allocatedResources',
  'V1ContainerStatus.allocatedResources',
  'V1NodeAllocatableResourceClaimStatus.resources',
  'V1LimitRangeItem.max',
  'V1LimitRangeItem.min',
  'V1LimitRangeItem.default',
  'V1LimitRangeItem.defaultRequest',
  'V1LimitRangeItem.maxLimitRequestRatio',
  'V1PersistentVolumeClaimStatus.capacity',
  'V1PersistentVolumeClaimStatus.allocatedResources',
  'V1PersistentVolumeSpec.capacity',
  'V1ResourceQuotaSpec.hard',
  'V1ResourceQuotaStatus.hard',
  'V1ResourceQuotaStatus.used',
  'V2HPAScalingRules.tolerance',
  'V2MetricTarget.value',
  'V2MetricTarget.averageValue',
  'V2MetricValueStatus.value',
  'V2MetricValueStatus.averageValue',
  'V1Overhead.podFixed',
  'V1CSIStorageCapacity.capacity',
  'V1CSIStorageCapacity.maximumVolumeSize',
  'V1CapacityRequestPolicy.default',
  'V1CapacityRequestPolicy.validValues',
  'V1CapacityRequestPolicyRange.min',
  'V1CapacityRequestPolicyRange.max',
  'V1CapacityRequestPolicyRange.step',
  'V1CapacityRequirements.requests',
  'V1Counter.value',
  'V1DeviceCapacity.value',
  'V1DeviceRequestAllocationResult.consumedCapacity',
  'V1NodeAllocatableResourceMapping.allocationMultiplier',
];

type Marks = Pick<
  Schema,
  | 'x-kubernetes-list-type'
  | 'x-kubernetes-list-map-keys'
  | 'x-kubernetes-map-type'
  | 'x-kubernetes-patch-strategy'
  | 'x-kubernetes-patch-merge-key'
>;

/** A list of objects that a strategic patch merges by `key`; server-side apply may need more keys than that. */
function mergedBy(key: string, options?: { keys?: string[]; strategy?: string; listType?: 'atomic' }): Marks {
  const marks: Marks = {
    'x-kubernetes-patch-strategy': options?.strategy ?? 'merge',
    'x-kubernetes-patch-merge-key': key,
  };
  if (options?.listType === 'atomic') return marks;
  return {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': options?.keys ?? [key],
    ...marks,
  };
}

const mergedSet: Marks = { 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge' };
/** Told apart by `keys` in a server-side apply only; a strategic patch replaces the list. */
function ownedBy(...keys: string[]): Marks {
  return { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys };
}

const ownedSet: Marks = { 'x-kubernetes-list-type': 'set' };
const atomicMap: Marks = { 'x-kubernetes-map-type': 'atomic' };
/** A part that owns less than the type it is of: a reference that two writers fill in. */
const granularMap: Marks = { 'x-kubernetes-map-type': 'granular' };
const retainKeys: Marks = { 'x-kubernetes-patch-strategy': 'retainKeys' };
const mergeAndRetainKeys = { strategy: 'merge,retainKeys' };

const containerFields: Record<string, Marks> = {
  env: mergedBy('name'),
  ports: mergedBy('containerPort', { keys: ['containerPort', 'protocol'] }),
  volumeDevices: mergedBy('devicePath'),
  volumeMounts: mergedBy('mountPath'),
};

/**
 * How lists merge, by model and field. A list that is not named here is atomic: a patch replaces it whole, which is
 * also Kubernetes' default.
 */
export const mergeMarks: Record<string, Record<string, Marks>> = {
  V1ObjectMeta: { finalizers: mergedSet, ownerReferences: mergedBy('uid') },
  V1Container: containerFields,
  V1EphemeralContainer: containerFields,
  V1PodSpec: {
    containers: mergedBy('name'),
    initContainers: mergedBy('name'),
    ephemeralContainers: mergedBy('name'),
    hostAliases: mergedBy('ip'),
    imagePullSecrets: mergedBy('name'),
    nodeSelector: atomicMap,
    resourceClaims: mergedBy('name', mergeAndRetainKeys),
    schedulingGates: mergedBy('name'),
    topologySpreadConstraints: mergedBy('topologyKey', { keys: ['topologyKey', 'whenUnsatisfiable'] }),
    volumes: mergedBy('name', mergeAndRetainKeys),
  },
  V1PodStatus: {
    conditions: mergedBy('type'),
    hostIPs: mergedBy('ip', { listType: 'atomic' }),
    podIPs: mergedBy('ip'),
    resourceClaimStatuses: mergedBy('name', mergeAndRetainKeys),
  },
  V1ContainerStatus: { volumeMounts: mergedBy('mountPath'), allocatedResourcesStatus: mergedBy('name') },
  V1ContainerRestartRuleOnExitCodes: { values: ownedSet },
  V1NodeAllocatableResourceClaimStatus: { containers: ownedSet },
  V1ResourceRequirements: { claims: ownedBy('name') },
  V1ResourceStatus: { resources: ownedBy('resourceID') },
  V1ServiceSpec: { ports: mergedBy('port', { keys: ['port', 'protocol'] }), selector: atomicMap },
  V1ServiceStatus: { conditions: mergedBy('type') },
  V1ServiceAccount: { secrets: mergedBy('name') },
  V1NamespaceStatus: { conditions: mergedBy('type') },
  V1NodeSpec: { podCIDRs: mergedSet },
  V1NodeStatus: { addresses: mergedBy('type'), conditions: mergedBy('type') },
  V1DeploymentSpec: { strategy: retainKeys },
  V1DeploymentStatus: { conditions: mergedBy('type') },
  V1ReplicaSetStatus: { conditions: mergedBy('type') },
  V1DaemonSetStatus: { conditions: mergedBy('type') },
  V1StatefulSetStatus: { conditions: mergedBy('type') },
  V1JobStatus: { conditions: mergedBy('type', { listType: 'atomic' }) },
  V1PodFailurePolicyOnExitCodesRequirement: { values: ownedSet },
  V1UncountedTerminatedPods: { succeeded: ownedSet, failed: ownedSet },
  V1ComponentStatus: { conditions: mergedBy('type') },
  V1PersistentVolumeSpec: { claimRef: granularMap },
  V1PersistentVolumeClaimStatus: { conditions: mergedBy('type'), allocatedResourceStatuses: granularMap },
  V1ReplicationControllerSpec: { selector: atomicMap },
  V1ReplicationControllerStatus: { conditions: mergedBy('type') },
  V2HorizontalPodAutoscalerStatus: { conditions: ownedBy('type') },
  V1PodDisruptionBudgetSpec: { selector: { 'x-kubernetes-patch-strategy': 'replace' } },
  V1PodDisruptionBudgetStatus: { conditions: mergedBy('type') },
  V1Endpoint: { addresses: ownedSet },
  V1CertificateSigningRequestStatus: { conditions: ownedBy('type') },
  V1Scheduling: { nodeSelector: atomicMap },
  V1CSIDriverSpec: { volumeLifecycleModes: ownedSet },
  V1CSINodeSpec: { drivers: mergedBy('name') },
  V1ServiceCIDRStatus: { conditions: mergedBy('type') },
  V1MutatingWebhook: { matchConditions: mergedBy('name') },
  V1MutatingWebhookConfiguration: { webhooks: mergedBy('name') },
  V1ValidatingWebhook: { matchConditions: mergedBy('name') },
  V1ValidatingWebhookConfiguration: { webhooks: mergedBy('name') },
  V1ValidatingAdmissionPolicySpec: { matchConditions: mergedBy('name'), variables: mergedBy('name') },
  V1ValidatingAdmissionPolicyStatus: { conditions: ownedBy('type') },
  V1ValidatingAdmissionPolicyBindingSpec: { validationActions: ownedSet },
  V1MutatingAdmissionPolicySpec: { matchConditions: mergedBy('name') },
  V1AllocatedDeviceStatus: { conditions: ownedBy('type') },
  V1ResourceClaimStatus: {
    reservedFor: mergedBy('uid'),
    devices: ownedBy('driver', 'device', 'pool', 'shareID'),
  },
};

/** Objects that server-side apply owns as one piece. */
export const atomicMaps = [
  'CoreV1EndpointPort',
  'DiscoveryV1EndpointPort',
  'RbacV1Subject',
  'V1ConfigMapKeySelector',
  'V1CrossVersionObjectReference',
  'V1EndpointAddress',
  'V1FileKeySelector',
  'V1LabelSelector',
  'V1LocalObjectReference',
  'V1MatchResources',
  'V1NamedRuleWithOperations',
  'V1NodeSelector',
  'V1NodeSelectorTerm',
  'V1ObjectFieldSelector',
  'V1ObjectReference',
  'V1OwnerReference',
  'V1ParamKind',
  'V1ParamRef',
  'V1ResourceFieldSelector',
  'V1RoleRef',
  'V1ScopedResourceSelectorRequirement',
  'V1ScopeSelector',
  'V1SecretKeySelector',
  'V1SecretReference',
  'V1ServiceBackendPort',
  'V1TopologySelectorTerm',
  'V1TypedLocalObjectReference',
  'V1Variable',
];

/** What is meant by items that leave out a key of their list. */
export const keyDefaults: Readonly<Record<string, unknown>> = {
  'V1ContainerPort.protocol': 'TCP',
  'V1ServicePort.protocol': 'TCP',
};
