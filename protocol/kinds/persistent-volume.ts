import type { PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity } from '../generated/models.ts';
import { isQuantity, parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import {
  forbidden,
  immutable,
  invalid,
  invalidFor,
  notSupported,
  oneOf,
  optionalOneOf,
  required,
  sameValue,
} from './cause.ts';
import { ageColumn, nameColumn, textColumn, wide } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { unset } from './persistent-volume-claim.ts';
import { validateNodeSelector } from './pod-spec/validate-affinity.ts';
import { accessModesText, validateAccessModes, validateDriverName, volumeModes } from './volume-access.ts';

/** Fields of a spec that say where the bytes are; there is exactly one of them. */
const sources = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'csi',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'glusterfs',
  'hostPath',
  'iscsi',
  'local',
  'nfs',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
] as const;

export const persistentVolumeKind = defineKind<PersistentVolume>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolume',
  plural: 'persistentvolumes',
  singular: 'persistentvolume',
  shortNames: ['pv'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.PersistentVolume',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Capacity', 'Its size.', ({ spec }) => spec?.capacity?.['storage'] ?? '0'),
    textColumn('Access Modes', 'How nodes may mount it.', ({ spec }) => accessModesText(spec?.accessModes)),
    textColumn(
      'Reclaim Policy',
      'What becomes of it when its claim is gone.',
      ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? '',
    ),
    textColumn('Status', 'Whether a claim has it.', ({ metadata, status }) =>
      metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    textColumn('Claim', 'The claim that has it.', ({ spec }) => {
      const { namespace = '', name } = spec?.claimRef ?? {};
      return name === undefined ? '' : `${namespace}/${name}`;
    }),
    textColumn('StorageClass', 'The class it belongs to.', ({ spec }) => spec?.storageClassName ?? ''),
    textColumn(
      'VolumeAttributesClass',
      'The class of its attributes.',
      ({ spec }) => spec?.volumeAttributesClassName ?? unset,
    ),
    textColumn('Reason', 'Why it is in its status.', ({ status }) => status?.reason ?? ''),
    ageColumn,
    wide(
      textColumn('VolumeMode', 'A file system or a block device.', ({ spec }) => spec?.volumeMode ?? unset),
    ),
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults(volume) {
    volume.status ??= {};
    volume.status.phase ||= 'Pending';
    const { spec } = volume;
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ??= 'Filesystem';
    if (spec.hostPath) spec.hostPath.type ??= '';
  },
  prepareCreate(volume) {
    volume.status = { phase: 'Pending' };
  },
  prepareUpdate: separateStatus,
  validate: (volume) => [...validateObjectMeta(volume, dnsSubdomain), ...validateSpec(volume.spec ?? {})],
  validateUpdate: (next, old) => [
    ...(sameValue(sourceOf(next), sourceOf(old))
      ? []
      : [
          forbidden('spec.persistentvolumesource', 'spec.persistentvolumesource is immutable after creation'),
        ]),
    ...immutable('volumeMode', next.spec?.volumeMode, old.spec?.volumeMode),
    ...(old.spec?.nodeAffinity
      ? immutable('nodeAffinity', next.spec?.nodeAffinity, old.spec.nodeAffinity)
      : []),
  ],
});

function sourceOf({ spec = {} }: PersistentVolume): unknown {
  return sources.map((source) => spec[source] ?? null);
}

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePersistentVolumeSpec. */
function validateSpec(spec: PersistentVolumeSpec): StatusCause[] {
  const { storageClassName, persistentVolumeReclaimPolicy: policy } = spec;
  const causes = [
    ...((spec.accessModes ?? []).length > 0
      ? validateAccessModes(spec.accessModes, 'spec.accessModes')
      : [required('spec.accessModes')]),
    ...validateCapacity(spec.capacity),
    ...oneOf('spec.persistentVolumeReclaimPolicy', policy, ['Delete', 'Recycle', 'Retain']),
    ...validateSources(spec),
    ...optionalOneOf('spec.volumeMode', spec.volumeMode, volumeModes),
    ...validateAffinity(spec.nodeAffinity, 'spec.nodeAffinity'),
    ...validateAttributesClass(spec),
  ];
  if (spec.hostPath?.path === '/' && policy === 'Recycle') {
    const detail = "may not be 'recycle' for a hostPath mount of '/'";
    causes.push(forbidden('spec.persistentVolumeReclaimPolicy', detail));
  }
  if (spec.local && !spec.nodeAffinity) {
    causes.push(required('metadata.annotations', 'Local volume requires node affinity'));
  }
  if (storageClassName) {
    causes.push(...invalidFor('spec.storageClassName', storageClassName, dnsSubdomain(storageClassName)));
  }
  return causes;
}

function validateAffinity(affinity: VolumeNodeAffinity | undefined, field: string): StatusCause[] {
  if (!affinity) return [];
  if (affinity.required) return validateNodeSelector(affinity.required, `${field}.required`);
  return [required(`${field}.required`, 'must specify required node constraints')];
}

function validateAttributesClass({
  volumeAttributesClassName: name,
  csi,
}: PersistentVolumeSpec): StatusCause[] {
  if (name === undefined) return [];
  const field = 'spec.volumeAttributesClassName';
  const causes =
    name === ''
      ? [required(field, 'an empty string is disallowed')]
      : invalidFor(field, name, dnsSubdomain(name));
  if (csi) return causes;
  return [...causes, required('spec.csi', 'has to be specified when using volumeAttributesClassName')];
}

function validateCapacity(capacity: Record<string, string> | undefined): StatusCause[] {
  const names = Object.keys(capacity ?? {});
  const causes = names.length === 0 ? [required('spec.capacity')] : [];
  if (!names.includes('storage') || names.length > 1)
    causes.push(notSupported('spec.capacity', capacity, ['storage']));
  for (const [name, amount] of Object.entries(capacity ?? {})) {
    if (isQuantity(amount) && parseQuantity(amount).nano > 0n) continue;
    causes.push(invalid(`spec.capacity[${name}]`, amount, 'must be greater than zero'));
  }
  return causes;
}

function validateSources(spec: PersistentVolumeSpec): StatusCause[] {
  const [first, ...more] = sources.filter((source) => spec[source] !== undefined);
  if (first === undefined) return [required('spec', 'must specify a volume type')];
  const { hostPath, local, nfs, csi } = spec;
  const need = (value: string | undefined, field: string) => (value ? [] : [required(`spec.${field}`)]);
  return [
    ...more.map((source) => forbidden(`spec.${source}`, 'may not specify more than 1 volume type')),
    ...(hostPath
      ? [...need(hostPath.path, 'hostPath.path'), ...withoutSteps(hostPath.path, 'hostPath.path')]
      : []),
    ...(local ? [...need(local.path, 'local.path'), ...withoutSteps(local.path, 'local.path')] : []),
    ...(nfs ? [...need(nfs.server, 'nfs.server'), ...need(nfs.path, 'nfs.path')] : []),
    ...(nfs?.path && !nfs.path.startsWith('/')
      ? [invalid('spec.nfs.path', nfs.path, 'must be an absolute path')]
      : []),
    ...(csi
      ? [...validateDriverName(csi.driver, 'spec.csi.driver'), ...need(csi.volumeHandle, 'csi.volumeHandle')]
      : []),
  ];
}

function withoutSteps(path: string | undefined, field: string): StatusCause[] {
  if (!path?.split('/').includes('..')) return [];
  return [invalid(`spec.${field}`, path, "must not contain '..'")];
}
