import { posix } from 'node:path';
import type {
  ConfigMap,
  Container,
  EnvVarSource,
  Pod,
  ResourceFieldSelector,
  Secret,
} from '../../protocol/generated/models.ts';
import { divideUp, nanoPerOne, parseQuantity } from '../../protocol/quantity.ts';
import type { ImageMount } from '../drivers/driver.ts';
import type { WantedMount } from '../volumes/pod-volumes.ts';
import { type FileVariable, markOf } from './environment-files.ts';
import { expand } from './expansion.ts';
import { type ServiceSources, serviceVariables } from './service-variables.ts';

/** What a container's environment may refer to beside its own pod. */
export interface EnvironmentSources extends ServiceSources {
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  nodeName: string;
  hostIp: string;
  podIp: string;
  podIps: readonly string[];
  /** What a resourceFieldRef to an unset limit means. */
  allocatable: { cpuMillis: number; memoryBytes: number; ephemeralStorageBytes: number };
}

export interface ResolvedContainer {
  environment: Record<string, string>;
  command: string[];
  args: string[];
  mounts: WantedMount[];
  imageMounts: ImageMount[];
  /** Whose values are marks yet. */
  files: FileVariable[];
}

/** `error` is kubelet's message for CreateContainerConfigError. */
export type Resolution = ({ error?: undefined } & ResolvedContainer) | { error: string };

/**
 * Environment, command and args of a container with every reference resolved. Later entries see earlier ones, `env`
 * wins over
 * `envFrom`; a missing optional source leaves the variable out.
 */
export function resolveContainer(
  pod: Pod,
  container: Container,
  { hostname, sharesHost }: { hostname: string; sharesHost: boolean },
  sources: EnvironmentSources,
): Resolution {
  const links = serviceVariables(pod, sources, { sharesHost });
  const values = new Map<string, string>([...links, ['HOSTNAME', hostname]]);
  const files: FileVariable[] = [];
  try {
    addSources(values, pod, container, sources);
    for (const { name, value, valueFrom } of container.env ?? []) {
      const { fileKeyRef } = valueFrom ?? {};
      const mark = markOf(files.length);
      if (fileKeyRef) files.push({ ...fileKeyRef, name, mark });
      const resolved = fileKeyRef
        ? mark
        : valueFrom
          ? resolveSource(valueFrom, pod, container, sources)
          : expand(value ?? '', (other) => values.get(other));
      if (resolved !== undefined) values.set(name, resolved);
    }
  } catch (error) {
    if (error instanceof MissingSource) return { error: error.message };
    throw error;
  }
  const expanded = (text: string) => expand(text, (name) => values.get(name));
  const wanted = wantedMounts(container, values);
  if ('error' in wanted) return wanted;
  const images = new Map((pod.spec?.volumes ?? []).map(({ name, image }) => [name, image?.reference]));
  const mounts = wanted.filter(({ volume }) => images.get(volume) === undefined);
  const imageMounts = wanted.flatMap(({ volume, mountPath, subPath }) => {
    const image = images.get(volume);
    return image === undefined ? [] : [{ image, target: mountPath, subPath }];
  });
  return {
    mounts,
    imageMounts,
    files,
    environment: Object.fromEntries(values),
    command: (container.command ?? []).map(expanded),
    args: (container.args ?? []).map(expanded),
  };
}

/** Where the container wants which volume, its sub-paths with variables put in. */
function wantedMounts(
  { volumeMounts = [] }: Container,
  values: ReadonlyMap<string, string>,
): WantedMount[] | { error: string } {
  let missing: string | undefined;
  const valueOf = (name: string) => {
    if (!values.has(name)) missing ??= name;
    return values.get(name);
  };
  const mounts = volumeMounts.map(
    ({
      name,
      mountPath,
      subPath,
      subPathExpr,
      readOnly = false,
      recursiveReadOnly = 'Disabled',
      mountPropagation = 'None',
    }): WantedMount => ({
      volume: name,
      mountPath: posix.resolve('/', mountPath),
      subPath: subPathExpr ? expand(subPathExpr, valueOf) : (subPath ?? ''),
      readOnly,
      ...(recursiveReadOnly === 'Disabled' ? {} : { recursive: true }),
      propagation: propagations[mountPropagation] ?? 'private',
    }),
  );
  return missing === undefined ? mounts : { error: `missing value for "${missing}"` };
}

const propagations: Readonly<Record<string, WantedMount['propagation']>> = {
  HostToContainer: 'rslave',
  Bidirectional: 'rshared',
};

class MissingSource extends Error {}

function addSources(
  values: Map<string, string>,
  pod: Pod,
  container: Container,
  sources: EnvironmentSources,
): void {
  const namespace = pod.metadata?.namespace ?? '';
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef
      ? required(sources.configMap(namespace, configMapRef.name ?? ''), 'configmap', configMapRef)?.data
      : secretRef
        ? decoded(required(sources.secret(namespace, secretRef.name ?? ''), 'secret', secretRef))
        : undefined;
    for (const [key, value] of Object.entries(data ?? {})) values.set(prefix + key, value);
  }
}

function required<T>(found: T | undefined, kind: string, reference: { name?: string; optional?: boolean }) {
  if (found === undefined && !reference.optional) {
    throw new MissingSource(`${kind} "${reference.name ?? ''}" not found`);
  }
  return found;
}

function decoded(secret: Secret | undefined): Record<string, string> {
  const entries = Object.entries(secret?.data ?? {});
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
}

function resolveSource(
  source: EnvVarSource,
  pod: Pod,
  container: Container,
  sources: EnvironmentSources,
): string | undefined {
  const namespace = pod.metadata?.namespace ?? '';
  if (source.fieldRef) return podField(source.fieldRef.fieldPath, pod, sources);
  if (source.resourceFieldRef)
    return resourceField(source.resourceFieldRef, pod, container, sources.allocatable);
  if (source.configMapKeyRef) {
    const reference = source.configMapKeyRef;
    const found = required(sources.configMap(namespace, reference.name ?? ''), 'configmap', reference);
    return keyOf(found?.data, `ConfigMap ${namespace}/${reference.name ?? ''}`, reference);
  }
  if (source.secretKeyRef) {
    const reference = source.secretKeyRef;
    const found = required(sources.secret(namespace, reference.name ?? ''), 'secret', reference);
    return keyOf(decoded(found), `Secret ${namespace}/${reference.name ?? ''}`, reference);
  }
  throw new MissingSource('unsupported valueFrom: it names no source');
}

function keyOf(
  data: Record<string, string> | undefined,
  owner: string,
  reference: { key: string; optional?: boolean },
): string | undefined {
  const value = data && Object.hasOwn(data, reference.key) ? data[reference.key] : undefined;
  if (value === undefined && !reference.optional) {
    throw new MissingSource(`couldn't find key ${reference.key} in ${owner}`);
  }
  return value;
}

/** @throws Error for a path that nothing is known of. */
export function podField(
  path: string,
  pod: Pod,
  sources: Pick<EnvironmentSources, 'nodeName' | 'hostIp' | 'podIp' | 'podIps'>,
): string {
  const { metadata, spec } = pod;
  const subscript = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(path);
  if (subscript) {
    const [, field, key = ''] = subscript;
    return (field === 'labels' ? metadata?.labels : metadata?.annotations)?.[key] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return metadata?.name ?? '';
    case 'metadata.namespace':
      return metadata?.namespace ?? '';
    case 'metadata.uid':
      return metadata?.uid ?? '';
    case 'spec.nodeName':
      return sources.nodeName;
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return sources.hostIp;
    case 'status.podIP':
      return sources.podIp;
    case 'status.podIPs':
      return sources.podIps.join(',');
    default:
      throw new MissingSource(`unsupported fieldPath: ${path}`);
  }
}

/** @throws Error for a container or resource that nothing is known of. */
export function resourceField(
  reference: ResourceFieldSelector,
  pod: Pod,
  own: Container,
  allocatable: EnvironmentSources['allocatable'],
): string {
  const named = reference.containerName;
  const container = named
    ? [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find(
        ({ name }) => name === named,
      )
    : own;
  if (!container) throw new MissingSource(`container ${named ?? ''} not found`);
  const [kind = '', resource = ''] = reference.resource.split(/\.(.*)/s);
  const given = (kind === 'limits' ? container.resources?.limits : container.resources?.requests)?.[resource];
  const divisor = parseQuantity(reference.divisor ?? '1').nano || nanoPerOne;
  // A limit that is not set is what the node has, a request that is not set is nothing.
  const amount = (available: number, nanoPerUnit: bigint) => {
    const unset = kind === 'limits' ? BigInt(Math.floor(available)) * nanoPerUnit : 0n;
    return String(divideUp(given === undefined ? unset : parseQuantity(given).nano, divisor));
  };
  switch (`${kind}.${resource}`) {
    case 'limits.cpu':
    case 'requests.cpu':
      return amount(allocatable.cpuMillis, nanoPerOne / 1000n);
    case 'limits.memory':
    case 'requests.memory':
      return amount(allocatable.memoryBytes, nanoPerOne);
    case 'limits.ephemeral-storage':
    case 'requests.ephemeral-storage':
      return amount(allocatable.ephemeralStorageBytes, nanoPerOne);
    default:
      throw new MissingSource(`unsupported container resource : ${reference.resource}`);
  }
}
