import type { EnvFromSource, EnvVar, EnvVarSource } from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { invalid, invalidFor, notSupported, required } from '../cause.ts';
import { configKey, dnsSubdomain, environmentName, labelValue, qualifiedName } from '../name-rules.ts';

const podFields = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
const containerResources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const sources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const;

export function validateEnvironment(env: readonly EnvVar[], field: string): StatusCause[] {
  return env.flatMap(({ name, value, valueFrom }, index) => {
    const path = `${field}[${index}]`;
    return [
      ...(name ? invalidFor(`${path}.name`, name, environmentName(name)) : [required(`${path}.name`)]),
      ...(valueFrom ? validateSource(valueFrom, value ?? '', `${path}.valueFrom`) : []),
    ];
  });
}

function validateSource(source: EnvVarSource, value: string, field: string): StatusCause[] {
  const given = sources.filter((name) => source[name]);
  if (given.length === 0) {
    const names =
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
    return [invalid(field, '', names)];
  }
  const causes: StatusCause[] = [];
  if (value !== '') causes.push(invalid(field, '', 'may not be specified when `value` is not empty'));
  if (given.length > 1)
    causes.push(invalid(field, '', 'may not have more than one field specified at a time'));
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = source;
  if (fieldRef)
    causes.push(...validateFieldPath(fieldRef.fieldPath, podFields, `${field}.fieldRef.fieldPath`));
  if (resourceFieldRef) {
    causes.push(...validateResourceField(resourceFieldRef.resource, `${field}.resourceFieldRef.resource`));
  }
  if (configMapKeyRef) causes.push(...validateKeyReference(configMapKeyRef, `${field}.configMapKeyRef`));
  if (secretKeyRef) causes.push(...validateKeyReference(secretKeyRef, `${field}.secretKeyRef`));
  return causes;
}

/** What some reference to a field of a pod may name, though not every one may. */
const knownFields: ReadonlySet<string> = new Set([
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'spec.schedulerName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.phase',
  'status.podIP',
  'status.podIPs',
]);

/** `metadata.labels['key']` and `metadata.annotations['key']` too. */
export function validateFieldPath(
  path: string | undefined,
  supported: readonly string[],
  field: string,
): StatusCause[] {
  if (!path) return [required(field)];
  const [, map, key = ''] = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/.exec(path) ?? [];
  if (map === 'metadata.labels') return invalidFor(field, key, qualifiedName(key));
  if (map !== undefined) return invalidFor(field, key, qualifiedName(key.toLowerCase()));
  if (supported.includes(path)) return [];
  if (knownFields.has(path)) return [notSupported(field, path, supported)];
  return [invalid(field, path, `error converting fieldPath: field label not supported: ${path}`)];
}

export function validateResourceField(resource: string | undefined, field: string): StatusCause[] {
  if (!resource) return [required(field)];
  if (containerResources.includes(resource) || /^(limits|requests)\.hugepages-/.test(resource)) return [];
  return [notSupported(field, resource, containerResources)];
}

function validateKeyReference({ name, key }: { name?: string; key?: string }, field: string): StatusCause[] {
  return [
    ...(name ? invalidFor(`${field}.name`, name, dnsSubdomain(name)) : [required(`${field}.name`)]),
    ...(key ? invalidFor(`${field}.key`, key, configKey(key)) : [required(`${field}.key`)]),
  ];
}

export function validateEnvironmentFrom(list: readonly EnvFromSource[], field: string): StatusCause[] {
  return list.flatMap(({ prefix, configMapRef, secretRef }, index) => {
    const path = `${field}[${index}]`;
    const causes = prefix ? invalidFor(`${path}.prefix`, prefix, environmentName(prefix)) : [];
    if (configMapRef && secretRef) {
      return [...causes, invalid(path, '', 'may not have more than one field specified at a time')];
    }
    if (configMapRef)
      return [...causes, ...validateReference(configMapRef.name, `${path}.configMapRef.name`)];
    if (secretRef) return [...causes, ...validateReference(secretRef.name, `${path}.secretRef.name`)];
    return [...causes, invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`')];
  });
}

export function validateReference(name: string | undefined, field: string): StatusCause[] {
  return name ? invalidFor(field, name, dnsSubdomain(name)) : [required(field)];
}

export function validateNodeSelector(
  selector: Record<string, string> | undefined,
  field: string,
): StatusCause[] {
  return Object.entries(selector ?? {}).flatMap(([key, value]) => [
    ...invalidFor(field, key, qualifiedName(key)),
    ...invalidFor(field, value, labelValue(value)),
  ]);
}
