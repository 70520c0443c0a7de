import type { PersistentVolume, PersistentVolumeSpec } from '../generated/models.ts';
import { isQuantity, parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import {
  forbidden,
  immutable,
  invalid,
  invalidFor,
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
import { accessModesText, validateAccessModes, volumeModes } from './volume-access.ts';

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
    ...immutable('spec.volumeMode', next.spec?.volumeMode, old.spec?.volumeMode),
    ...(old.spec?.nodeAffinity
      ? immutable('spec.nodeAffinity', next.spec?.nodeAffinity, old.spec.nodeAffinity)
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
    ...validateAccessModes(spec.accessModes, 'spec.accessModes'),
    ...validateCapacity(spec.capacity),
    ...oneOf('spec.persistentVolumeReclaimPolicy', policy, ['Delete', 'Recycle', 'Retain']),
    ...validateSources(spec),
    ...optionalOneOf('spec.volumeMode', spec.volumeMode, volumeModes),
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

function validateCapacity(capacity: Record<string, string> = {}): StatusCause[] {
  const names = Object.keys(capacity);
  if (names.length === 0) return [required('spec.capacity')];
  const storage = capacity['storage'];
  if (storage === undefined || names.length > 1) {
    return [invalid('spec.capacity', capacity, 'supported values: "storage"')];
  }
  if (isQuantity(storage) && parseQuantity(storage).nano > 0n) return [];
  return [invalid('spec.capacity[storage]', storage, 'must be greater than zero')];
}

function validateSources(spec: PersistentVolumeSpec): StatusCause[] {
  const [first, ...more] = sources.filter((source) => spec[source] !== undefined);
  if (first === undefined) return [required('spec', 'must specify a volume type')];
  const { hostPath, local, nfs, csi } = spec;
  const need = (value: string | undefined, field: string) => (value ? [] : [required(`spec.${field}`)]);
  return [
    ...more.map((source) => forbidden(`spec.${source}`, 'may not specify more than 1 volume type')),
    ...(hostPath ? need(hostPath.path, 'hostPath.path') : []),
    ...(local ? need(local.path, 'local.path') : []),
    ...(nfs ? [...need(nfs.server, 'nfs.server'), ...need(nfs.path, 'nfs.path')] : []),
    ...(nfs?.path && !nfs.path.startsWith('/')
      ? [invalid('spec.nfs.path', nfs.path, 'must be an absolute path')]
      : []),
    ...(csi ? [...need(csi.driver, 'csi.driver'), ...need(csi.volumeHandle, 'csi.volumeHandle')] : []),
  ];
}
