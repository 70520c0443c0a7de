import { apiServiceKind } from './api-service.ts';
import { certificateSigningRequestKind } from './certificate-signing-request.ts';
import { clusterRoleKind } from './cluster-role.ts';
import { clusterRoleBindingKind } from './cluster-role-binding.ts';
import { configMapKind } from './config-map.ts';
import { controllerRevisionKind } from './controller-revision.ts';
import { cronJobKind } from './cron-job.ts';
import { csiDriverKind } from './csi-driver.ts';
import { csiNodeKind } from './csi-node.ts';
import { csiStorageCapacityKind } from './csi-storage-capacity.ts';
import { customResourceDefinitionKind } from './custom-resource-definition.ts';
import { daemonSetKind } from './daemon-set.ts';
import type { KindDefinition } from './define-kind.ts';
import { deploymentKind } from './deployment.ts';
import { deviceClassKind } from './device-class.ts';
import { endpointSliceKind } from './endpoint-slice.ts';
import { endpointsKind } from './endpoints.ts';
import { eventKind } from './event.ts';
import { eventV1Kind } from './event-v1.ts';
import { horizontalPodAutoscalerKind } from './horizontal-pod-autoscaler.ts';
import { horizontalPodAutoscalerV1Kind } from './horizontal-pod-autoscaler-v1.ts';
import { ingressKind } from './ingress.ts';
import { ingressClassKind } from './ingress-class.ts';
import { ipAddressKind } from './ip-address.ts';
import { jobKind } from './job.ts';
import { leaseKind } from './lease.ts';
import { limitRangeKind } from './limit-range.ts';
import { mutatingAdmissionPolicyKind } from './mutating-admission-policy.ts';
import { mutatingAdmissionPolicyBindingKind } from './mutating-admission-policy-binding.ts';
import { mutatingWebhookConfigurationKind } from './mutating-webhook-configuration.ts';
import { namespaceKind } from './namespace.ts';
import { networkPolicyKind } from './network-policy.ts';
import { nodeKind } from './node.ts';
import { persistentVolumeKind } from './persistent-volume.ts';
import { persistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { podKind } from './pod.ts';
import { podDisruptionBudgetKind } from './pod-disruption-budget.ts';
import { podTemplateKind } from './pod-template.ts';
import { priorityClassKind } from './priority-class.ts';
import { replicaSetKind } from './replica-set.ts';
import { replicationControllerKind } from './replication-controller.ts';
import { resourceClaimKind } from './resource-claim.ts';
import { resourceClaimTemplateKind } from './resource-claim-template.ts';
import { resourceQuotaKind } from './resource-quota.ts';
import { resourceSliceKind } from './resource-slice.ts';
import { roleKind } from './role.ts';
import { roleBindingKind } from './role-binding.ts';
import { rolloutPolicyKind } from './rollout-policy.ts';
import { runtimeClassKind } from './runtime-class.ts';
import { secretKind } from './secret.ts';
import { serviceKind } from './service.ts';
import { serviceAccountKind } from './service-account.ts';
import { serviceCidrKind } from './service-cidr.ts';
import { statefulSetKind } from './stateful-set.ts';
import { storageClassKind } from './storage-class.ts';
import { validatingAdmissionPolicyKind } from './validating-admission-policy.ts';
import { validatingAdmissionPolicyBindingKind } from './validating-admission-policy-binding.ts';
import { validatingWebhookConfigurationKind } from './validating-webhook-configuration.ts';
import { volumeAttachmentKind } from './volume-attachment.ts';
import { volumeAttributesClassKind } from './volume-attributes-class.ts';

/** Every kind the API serves, in the order of its groups. Routes, discovery, OpenAPI and tables are loops over it. */
export const kinds: readonly KindDefinition[] = [
  namespaceKind,
  nodeKind,
  podKind,
  eventKind,
  configMapKind,
  secretKind,
  serviceKind,
  serviceAccountKind,
  endpointsKind,
  limitRangeKind,
  persistentVolumeKind,
  persistentVolumeClaimKind,
  podTemplateKind,
  replicationControllerKind,
  resourceQuotaKind,
  controllerRevisionKind,
  daemonSetKind,
  deploymentKind,
  replicaSetKind,
  statefulSetKind,
  horizontalPodAutoscalerV1Kind,
  horizontalPodAutoscalerKind,
  cronJobKind,
  jobKind,
  certificateSigningRequestKind,
  leaseKind,
  roleKind,
  roleBindingKind,
  clusterRoleKind,
  clusterRoleBindingKind,
  endpointSliceKind,
  eventV1Kind,
  ingressKind,
  ingressClassKind,
  networkPolicyKind,
  ipAddressKind,
  serviceCidrKind,
  runtimeClassKind,
  podDisruptionBudgetKind,
  priorityClassKind,
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  storageClassKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
  deviceClassKind,
  mutatingAdmissionPolicyKind,
  mutatingAdmissionPolicyBindingKind,
  mutatingWebhookConfigurationKind,
  validatingWebhookConfigurationKind,
  validatingAdmissionPolicyKind,
  validatingAdmissionPolicyBindingKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
  customResourceDefinitionKind,
  apiServiceKind,
  rolloutPolicyKind,
];

/** The kind that a request's path names, or undefined. */
export function findKind(group: string, version: string, plural: string): KindDefinition | undefined {
  return kinds.find((kind) => kind.group === group && kind.version === version && kind.plural === plural);
}
