import type {
  ConfigMap,
  Container,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodSpec,
  ResourceResourceClaim,
  Secret,
  Service,
  Volume,
} from '../../protocol/generated/models.ts';
import { podClaimNames } from '../../protocol/kinds/pod-claims.ts';
import { volumeClaimNames } from '../../protocol/match-volume.ts';
import { entryDigest } from '../../protocol/sync-hash.ts';
import type { SetEntry } from '../../protocol/topics/sync.ts';

/**
 * What of an object a device needs. Status, resourceVersion and managedFields stay out, so that their changes send
 * nothing.
 */
export function podEntry(pod: Readonly<Pod>): SetEntry {
  const { name, namespace, uid, labels, annotations, creationTimestamp } = pod.metadata ?? {};
  const { deletionTimestamp, deletionGracePeriodSeconds, generation } = pod.metadata ?? {};
  const conditions = gateConditions(pod);
  const { resourceClaimStatuses } = pod.status ?? {};
  return entry(`Pod/${uid}`, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: present({
      name,
      namespace,
      uid,
      generation,
      labels,
      annotations,
      creationTimestamp,
      deletionTimestamp,
      deletionGracePeriodSeconds,
    }),
    spec: pod.spec,
    ...(conditions.length > 0 || resourceClaimStatuses
      ? {
          status: {
            ...(conditions.length > 0 ? { conditions } : {}),
            ...(resourceClaimStatuses ? { resourceClaimStatuses } : {}),
          },
        }
      : {}),
  });
}

/** What others say of a pod that is not Ready without them. */
function gateConditions({ spec, status }: Readonly<Pod>): { type: string; status: string }[] {
  const gates = (spec?.readinessGates ?? []).map(({ conditionType }) => conditionType);
  return (status?.conditions ?? [])
    .filter(({ type }) => gates.includes(type))
    .map(({ type, status: value }) => ({ type, status: value }));
}

export function configMapEntry({ metadata, data, binaryData }: Readonly<ConfigMap>): SetEntry {
  const { namespace, name } = metadata ?? {};
  return entry(`ConfigMap/${namespace}/${name}`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    ...present({ data, binaryData }),
  });
}

export function secretEntry({ metadata, type, data }: Readonly<Secret>): SetEntry {
  const { namespace, name } = metadata ?? {};
  return entry(`Secret/${namespace}/${name}`, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace },
    ...present({ type, data }),
  });
}

/** A claim with the volume that it is bound to, which is all of the volume that a device needs. */
export function claimEntry(
  { metadata, spec, status }: Readonly<PersistentVolumeClaim>,
  volume: Readonly<PersistentVolume> | undefined,
): SetEntry {
  const { namespace, name, uid } = metadata ?? {};
  return entry(`PersistentVolumeClaim/${namespace}/${name}`, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name, namespace, uid },
    spec: present({ volumeName: spec?.volumeName, volumeMode: spec?.volumeMode }),
    status: present({ phase: status?.phase }),
    ...(volume ? { volume: { metadata: { name: volume.metadata?.name }, spec: volume.spec } } : {}),
  });
}

/** A claim of devices: what it holds here, and for which pods. */
export function resourceClaimEntry({ metadata, status }: Readonly<ResourceResourceClaim>): SetEntry {
  const { namespace, name, uid } = metadata ?? {};
  const results = (status?.allocation?.devices?.results ?? []).map(({ request, driver, pool, device }) => ({
    request,
    driver,
    pool,
    device,
  }));
  return entry(`ResourceClaim/${namespace}/${name}`, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceClaim',
    metadata: { name, namespace, uid },
    status: {
      ...(status?.allocation ? { allocation: { devices: { results } } } : {}),
      reservedFor: (status?.reservedFor ?? []).map((consumer) => ({ uid: consumer.uid })),
    },
  });
}

/** What pods find of a service in their environment; undefined for one without an address of its own. */
export function serviceEntry({ metadata, spec }: Readonly<Service>): SetEntry | undefined {
  const { namespace, name } = metadata ?? {};
  const { clusterIP, ports = [], type } = spec ?? {};
  if (!clusterIP || clusterIP === 'None' || type === 'ExternalName') return undefined;
  const isApi = `${namespace}/${name}` === apiService;
  return entry(`Service/${namespace}/${name}`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      clusterIP,
      ports: ports.map((port) =>
        present({
          name: port.name || undefined,
          port: port.port,
          protocol: port.protocol === 'TCP' ? undefined : port.protocol,
          targetPort: isApi ? port.targetPort : undefined,
        }),
      ),
    },
  });
}

/** Every pod is told of it. */
const apiService = 'default/kubernetes';

/** Tells a device that a folder of its own is nobody's any more. */
export function reclaimEntry({ metadata, spec }: Readonly<PersistentVolume>): SetEntry {
  const { name, uid } = metadata ?? {};
  return entry(`Reclaim/${name}`, {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name, uid },
    spec: { csi: spec?.csi },
  });
}

/**
 * Keys of the ConfigMaps, Secrets and claims (of volumes and of devices) that a pod names, and of the API's service, each
 * once.
 */
export function namedObjects(pod: Readonly<Pod>): ReadonlySet<string> {
  const namespace = pod.metadata?.namespace ?? '';
  const spec: Partial<PodSpec> = pod.spec ?? {};
  const { configMaps, secrets } = namedInSpec(spec);
  return new Set([
    `Service/${apiService}`,
    ...podClaimNames(pod).map(({ claim }) => `ResourceClaim/${namespace}/${claim}`),
    ...volumeClaimNames(pod).map((name) => `PersistentVolumeClaim/${namespace}/${name}`),
    ...configMaps.filter(isName).map((name) => `ConfigMap/${namespace}/${name}`),
    ...secrets.filter(isName).map((name) => `Secret/${namespace}/${name}`),
  ]);
}

interface Named {
  configMaps: (string | undefined)[];
  secrets: (string | undefined)[];
}

function namedInSpec(spec: Partial<PodSpec>): Named {
  const parts = [
    ...[...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])].map(
      namedInContainer,
    ),
    ...(spec.volumes ?? []).map(namedInVolume),
  ];
  return {
    configMaps: parts.flatMap(({ configMaps }) => configMaps),
    secrets: [
      ...parts.flatMap(({ secrets }) => secrets),
      ...(spec.imagePullSecrets ?? []).map(({ name }) => name),
    ],
  };
}

function namedInContainer({ env = [], envFrom = [] }: Readonly<Container>): Named {
  return {
    configMaps: [
      ...env.map(({ valueFrom }) => valueFrom?.configMapKeyRef?.name),
      ...envFrom.map(({ configMapRef }) => configMapRef?.name),
    ],
    secrets: [
      ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
      ...envFrom.map(({ secretRef }) => secretRef?.name),
    ],
  };
}

function namedInVolume({ configMap, secret, projected }: Readonly<Volume>): Named {
  const sources = projected?.sources ?? [];
  return {
    configMaps: [configMap?.name, ...sources.map((source) => source.configMap?.name)],
    secrets: [secret?.secretName, ...sources.map((source) => source.secret?.name)],
  };
}

function entry(key: string, object: Record<string, unknown>): SetEntry {
  return { key, digest: entryDigest(object), object };
}

function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function isName(name: string | undefined): name is string {
  return name !== undefined && name !== '';
}
