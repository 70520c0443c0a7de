import { certificateRequestCleaner } from './certificates/request-cleaner.ts';
import { clusterRoleAggregationController } from './cluster-role-aggregation.ts';
import { cronJobController } from './cron-job/cron-job-controller.ts';
import { daemonSetController } from './daemon-set/daemon-set-controller.ts';
import type { ControllerDefinition } from './define-controller.ts';
import { deploymentController } from './deployment/deployment-controller.ts';
import { disruptionController } from './disruption/disruption-controller.ts';
import { endpointsController } from './endpoints/endpoints-controller.ts';
import { endpointsMirroringController } from './endpoints/mirroring-controller.ts';
import { eventExpiryController } from './event-expiry.ts';
import { garbageCollector } from './garbage-collector/garbage-collector.ts';
import { ipAddressController } from './ip-addresses.ts';
import { jobController } from './job/job-controller.ts';
import { orphanedJobPodsController } from './job/orphaned-job-pods.ts';
import { ttlAfterFinishedController } from './job/ttl-after-finished.ts';
import { namespaceController } from './namespace-controller.ts';
import { nodeLifecycleController } from './node-lifecycle/node-lifecycle-controller.ts';
import { persistentVolumeClaimController } from './persistent-volumes/claim-controller.ts';
import { ephemeralClaimController } from './persistent-volumes/ephemeral-claims.ts';
import { localStorageClassController } from './persistent-volumes/local-storage-class.ts';
import { persistentVolumeController } from './persistent-volumes/volume-controller.ts';
import { podGarbageCollector } from './pod-garbage-collector.ts';
import { policyTypesController } from './policy-types/policy-types-controller.ts';
import { replicaSetController } from './replica-set/replica-set-controller.ts';
import { replicationController } from './replica-set/replication-controller.ts';
import { deviceClassController } from './resource-claims/default-device-classes.ts';
import { resourceClaimController } from './resource-claims/resource-claim-controller.ts';
import { templateClaimController } from './resource-claims/template-claims.ts';
import { serviceAccountController } from './service-account-controller.ts';
import { statefulSetController } from './stateful-set/stateful-set-controller.ts';

/** Every controller the server runs. */
export const controllers: readonly ControllerDefinition[] = [
  namespaceController,
  serviceAccountController,
  deploymentController,
  replicaSetController,
  replicationController,
  daemonSetController,
  statefulSetController,
  jobController,
  orphanedJobPodsController,
  ttlAfterFinishedController,
  cronJobController,
  disruptionController,
  nodeLifecycleController,
  podGarbageCollector,
  garbageCollector,
  eventExpiryController,
  clusterRoleAggregationController,
  policyTypesController,
  certificateRequestCleaner,
  endpointsController,
  endpointsMirroringController,
  ipAddressController,
  ephemeralClaimController,
  localStorageClassController,
  persistentVolumeClaimController,
  persistentVolumeController,
  deviceClassController,
  templateClaimController,
  resourceClaimController,
];
