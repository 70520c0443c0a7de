import type {
  Container,
  LifecycleHandler,
  ObjectFieldSelector,
  PodSpec,
  Probe,
  ResourceFieldSelector,
  Volume,
  VolumeProjection,
} from '../../generated/models.ts';

/**
 * What a pod spec means where it says nothing, for pods and for the templates of controllers alike
 * (source: k8s.io/kubernetes/pkg/apis/core/v1, defaults). In place, idempotent.
 */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  spec.securityContext ??= {};
  spec.enableServiceLinks ??= true;
  mirrorServiceAccount(spec);
  for (const container of spec.containers ?? []) defaultContainer(container, spec);
  for (const container of spec.initContainers ?? []) defaultContainer(container, spec);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container, spec);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

/** The old and the new name of one field. */
function mirrorServiceAccount(spec: PodSpec): void {
  const name = spec.serviceAccountName || spec.serviceAccount;
  if (!name) return;
  spec.serviceAccountName = name;
  spec.serviceAccount = name;
}

function defaultContainer(container: Container, spec: PodSpec): void {
  container.imagePullPolicy ||= pullPolicyFor(container.image ?? '');
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  container.resources ??= {};
  for (const port of container.ports ?? []) {
    port.protocol ||= 'TCP';
    if (spec.hostNetwork === true) port.hostPort ||= port.containerPort;
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom) defaultReferences(valueFrom);
  }
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHandler(container.lifecycle?.postStart);
  defaultHandler(container.lifecycle?.preStop);
}

/** A moving tag is asked for again, a fixed one is not. */
function pullPolicyFor(image: string): string {
  const tag = /:([^:/@]+)$/.exec(image)?.[1];
  if (image.includes('@')) return 'IfNotPresent';
  return tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent';
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  if (probe.grpc) probe.grpc.service ??= '';
  defaultHandler(probe);
}

function defaultHandler(handler: Pick<LifecycleHandler, 'httpGet'> | undefined): void {
  if (!handler?.httpGet) return;
  handler.httpGet.path ||= '/';
  handler.httpGet.scheme ||= 'HTTP';
}

interface References {
  fieldRef?: ObjectFieldSelector;
  resourceFieldRef?: ResourceFieldSelector;
}

function defaultReferences({ fieldRef, resourceFieldRef }: References): void {
  if (fieldRef) fieldRef.apiVersion ||= 'v1';
  if (resourceFieldRef) resourceFieldRef.divisor ||= '0';
}

/** 0644, which JSON can only say in decimal. */
const defaultFileMode = 0o644;

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= defaultFileMode;
  if (volume.configMap) volume.configMap.defaultMode ??= defaultFileMode;
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= defaultFileMode;
    volume.downwardAPI.items?.forEach(defaultReferences);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= defaultFileMode;
    volume.projected.sources?.forEach(defaultProjection);
  }
  if (volume.hostPath) volume.hostPath.type ??= '';
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) claim.volumeMode ||= 'Filesystem';
}

function defaultProjection({ downwardAPI, serviceAccountToken }: VolumeProjection): void {
  downwardAPI?.items?.forEach(defaultReferences);
  if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
}
