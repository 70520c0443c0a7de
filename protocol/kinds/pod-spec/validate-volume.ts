import type { KeyToPath, Volume, VolumeProjection } from '../../generated/models.ts';
import { parseQuantity } from '../../quantity.ts';
import type { StatusCause } from '../../status.ts';
import { duplicate, forbidden, invalid, invalidFor, optionalOneOf, required } from '../cause.ts';
import { configKey, dnsLabel } from '../name-rules.ts';
import { validateFieldPath, validateReference, validateResourceField } from './validate-environment.ts';

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

export function validateVolumes(volumes: readonly Volume[], field: string): StatusCause[] {
  const seen = new Set<string>();
  return volumes.flatMap((volume, index) => {
    const path = `${field}[${index}]`;
    const causes = volume.name
      ? invalidFor(`${path}.name`, volume.name, dnsLabel(volume.name))
      : [required(`${path}.name`)];
    if (seen.has(volume.name)) causes.push(duplicate(`${path}.name`, volume.name));
    seen.add(volume.name);
    return [...causes, ...validateOneSource(volume, path)];
  });
}

function validateOneSource(volume: Volume, field: string): StatusCause[] {
  const given = Object.keys(volume).filter((key) => key !== 'name');
  if (given.length === 0) return [required(field, 'must specify a volume type')];
  const extra = given
    .slice(1)
    .map((key) => forbidden(`${field}.${key}`, 'may not specify more than 1 volume type'));
  return [...validateSource(volume, field), ...extra];
}

function validateSource(volume: Volume, field: string): StatusCause[] {
  const { hostPath, secret, configMap, emptyDir, persistentVolumeClaim, downwardAPI, projected, nfs } =
    volume;
  if (hostPath) return validateHostPath(hostPath.path, hostPath.type, `${field}.hostPath`);
  if (secret) {
    return [
      ...(secret.secretName ? [] : [required(`${field}.secret.secretName`)]),
      ...validateFiles(secret, `${field}.secret`),
    ];
  }
  if (configMap) {
    return [
      ...(configMap.name ? [] : [required(`${field}.configMap.name`)]),
      ...validateFiles(configMap, `${field}.configMap`),
    ];
  }
  if (persistentVolumeClaim) {
    return persistentVolumeClaim.claimName ? [] : [required(`${field}.persistentVolumeClaim.claimName`)];
  }
  if (emptyDir?.sizeLimit && parseQuantity(emptyDir.sizeLimit).nano < 0n) {
    return [forbidden(`${field}.emptyDir.sizeLimit`, 'SizeLimit field must be a valid resource quantity')];
  }
  if (nfs) return validateNfs(nfs, `${field}.nfs`);
  if (downwardAPI) return validateDownward(downwardAPI, `${field}.downwardAPI`);
  if (projected) {
    return [
      ...validateMode(projected.defaultMode, `${field}.projected.defaultMode`),
      ...(projected.sources ?? []).flatMap((source, index) =>
        validateProjection(source, `${field}.projected.sources[${index}]`),
      ),
    ];
  }
  return [];
}

function validateNfs({ server, path }: NonNullable<Volume['nfs']>, field: string): StatusCause[] {
  return [
    ...(server ? [] : [required(`${field}.server`)]),
    ...(path ? [] : [required(`${field}.path`)]),
    ...(path && !path.startsWith('/') ? [invalid(`${field}.path`, path, 'must be an absolute path')] : []),
  ];
}

function validateHostPath(path: string | undefined, type: string | undefined, field: string): StatusCause[] {
  if (!path) return [required(`${field}.path`)];
  const causes = path.split('/').includes('..')
    ? [invalid(`${field}.path`, path, "must not contain '..'")]
    : [];
  return type === '' ? causes : [...causes, ...optionalOneOf(`${field}.type`, type, hostPathTypes)];
}

interface Files {
  items?: KeyToPath[];
  defaultMode?: number;
}

function validateFiles({ items = [], defaultMode }: Files, field: string): StatusCause[] {
  return [
    ...validateMode(defaultMode, `${field}.defaultMode`),
    ...items.flatMap(({ key, path, mode }, index) => {
      const at = `${field}.items[${index}]`;
      return [
        ...(key ? invalidFor(`${at}.key`, key, configKey(key)) : [required(`${at}.key`)]),
        ...validateRelativePath(path, `${at}.path`),
        ...validateMode(mode, `${at}.mode`),
      ];
    }),
  ];
}

const downwardFields = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];

function validateDownward(
  { items = [], defaultMode }: NonNullable<Volume['downwardAPI']>,
  field: string,
): StatusCause[] {
  return [
    ...validateMode(defaultMode, `${field}.defaultMode`),
    ...items.flatMap(({ path, mode, fieldRef, resourceFieldRef }, index) => {
      const at = `${field}.items[${index}]`;
      const causes = [...validateRelativePath(path, `${at}.path`), ...validateMode(mode, `${at}.mode`)];
      if (fieldRef && resourceFieldRef) {
        causes.push(
          invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
        );
      }
      if (fieldRef) {
        causes.push(...validateFieldPath(fieldRef.fieldPath, downwardFields, `${at}.fieldRef.fieldPath`));
      } else if (resourceFieldRef) {
        causes.push(
          ...(resourceFieldRef.containerName ? [] : [required(`${at}.resourceFieldRef.containerName`)]),
          ...validateResourceField(resourceFieldRef.resource, `${at}.resourceFieldRef.resource`),
        );
      } else {
        causes.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
      }
      return causes;
    }),
  ];
}

function validateProjection(source: VolumeProjection, field: string): StatusCause[] {
  const { secret, configMap, downwardAPI, serviceAccountToken } = source;
  const given = Object.keys(source);
  if (given.length > 1) return [forbidden(field, 'may not specify more than 1 volume type')];
  if (secret) {
    return [
      ...validateReference(secret.name, `${field}.secret.name`),
      ...validateFiles(secret, `${field}.secret`),
    ];
  }
  if (configMap) {
    return [
      ...validateReference(configMap.name, `${field}.configMap.name`),
      ...validateFiles(configMap, `${field}.configMap`),
    ];
  }
  if (downwardAPI) return validateDownward(downwardAPI, `${field}.downwardAPI`);
  if (serviceAccountToken) {
    return [
      ...validateRelativePath(serviceAccountToken.path, `${field}.serviceAccountToken.path`),
      ...validateLifetime(
        serviceAccountToken.expirationSeconds,
        `${field}.serviceAccountToken.expirationSeconds`,
      ),
    ];
  }
  return [];
}

function validateLifetime(seconds: number | undefined, field: string): StatusCause[] {
  if (seconds === undefined) return [];
  if (seconds < 600) return [invalid(field, seconds, 'may not specify a duration less than 10 minutes')];
  return seconds <= 2 ** 32
    ? []
    : [invalid(field, seconds, 'may not specify a duration larger than 2^32 seconds')];
}

function validateMode(mode: number | undefined, field: string): StatusCause[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalid(field, mode, 'must be a number between 0 and 0777 (octal), both inclusive')];
}

export function validateRelativePath(path: string | undefined, field: string): StatusCause[] {
  if (!path) return [required(field)];
  const causes: StatusCause[] = [];
  if (path.startsWith('/')) causes.push(invalid(field, path, 'must be a relative path'));
  if (path.split('/').includes('..')) causes.push(invalid(field, path, "must not contain '..'"));
  return causes;
}
