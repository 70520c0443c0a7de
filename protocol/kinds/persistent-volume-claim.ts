import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeClaimTemplate,
} from '../generated/models.ts';
import { compareQuantities, parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, invalid, invalidFor, optionalOneOf, required, sameValue } from './cause.ts';
import { ageColumn, nameColumn, textColumn, wide } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateLabelSelector } from './label-selector.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { accessModesText, validateAccessModes, volumeModes } from './volume-access.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
export const unset = '<unset>';

export const persistentVolumeClaimKind = defineKind<PersistentVolumeClaim>({
  group: '',
  version: 'v1',
  kind: 'PersistentVolumeClaim',
  plural: 'persistentvolumeclaims',
  singular: 'persistentvolumeclaim',
  shortNames: ['pvc'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.PersistentVolumeClaim',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Status', 'Whether it has its volume.', ({ metadata, status }) =>
      metadata?.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    ),
    textColumn('Volume', 'The volume it is bound to.', ({ spec }) => spec?.volumeName ?? ''),
    textColumn('Capacity', 'Size of that volume.', ({ spec, status }) =>
      spec?.volumeName ? (status?.capacity?.['storage'] ?? '0') : '',
    ),
    textColumn('Access Modes', 'How nodes may mount that volume.', ({ spec, status }) =>
      spec?.volumeName ? accessModesText(status?.accessModes) : '',
    ),
    textColumn('StorageClass', 'The class it asks for.', (claim) => classOf(claim) ?? ''),
    textColumn(
      'VolumeAttributesClass',
      'The class of attributes its volume has.',
      ({ spec }) => spec?.volumeAttributesClassName ?? unset,
    ),
    ageColumn,
    wide(
      textColumn('VolumeMode', 'A file system or a block device.', ({ spec }) => spec?.volumeMode ?? unset),
    ),
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults: defaultClaim,
  prepareCreate(claim) {
    claim.status = { phase: 'Pending' };
  },
  prepareUpdate: separateStatus,
  validate: (claim) => [
    ...validateObjectMeta(claim, dnsSubdomain),
    ...validateClaimSpec(claim.spec ?? {}, 'spec'),
  ],
  validateUpdate,
});

/** For claims and for the templates of claims. In place, idempotent. */
export function defaultClaim(claim: PersistentVolumeClaim): void {
  claim.status ??= {};
  claim.status.phase ||= 'Pending';
  defaultClaimSpec(claim);
}

function defaultClaimSpec({
  spec,
}: Pick<PersistentVolumeClaimTemplate, 'spec'> | PersistentVolumeClaim): void {
  if (!spec) return;
  spec.volumeMode ??= 'Filesystem';
  spec.resources ??= {};
  // Two names of one field, of which the newer takes more kinds.
  if (spec.dataSource && !spec.dataSourceRef) spec.dataSourceRef = { ...spec.dataSource };
}

function classOf({ metadata, spec }: PersistentVolumeClaim): string | undefined {
  return metadata?.annotations?.[classAnnotation] ?? spec?.storageClassName;
}

/** Source: k8s.io/kubernetes/pkg/apis/core/validation, ValidatePersistentVolumeClaimSpec. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, field: string): StatusCause[] {
  const { storageClassName, volumeAttributesClassName, dataSource, dataSourceRef } = spec;
  const causes = [
    ...validateLabelSelector(spec.selector, `${field}.selector`),
    ...validateAccessModes(spec.accessModes, `${field}.accessModes`),
    ...validateSize(spec, field),
    ...optionalOneOf(`${field}.volumeMode`, spec.volumeMode, volumeModes),
    ...validateSource(dataSource, `${field}.dataSource`),
    ...validateSource(dataSourceRef, `${field}.dataSourceRef`),
    ...compareSources(spec, field),
  ];
  if (storageClassName) {
    causes.push(...invalidFor(`${field}.storageClassName`, storageClassName, dnsSubdomain(storageClassName)));
  }
  if (volumeAttributesClassName) {
    const path = `${field}.volumeAttributesClassName`;
    causes.push(...invalidFor(path, volumeAttributesClassName, dnsSubdomain(volumeAttributesClassName)));
  }
  return causes;
}

function validateSize({ resources }: PersistentVolumeClaimSpec, field: string): StatusCause[] {
  const storage = resources?.requests?.['storage'];
  const path = `${field}.resources[storage]`;
  if (storage === undefined) return [required(path)];
  if (parseQuantity(storage).nano > 0n) return [];
  return [invalid(path, storage, 'must be greater than zero')];
}

/** The two names of one thing must agree; a source of another namespace has but the newer. */
function compareSources(
  { dataSource, dataSourceRef }: PersistentVolumeClaimSpec,
  field: string,
): StatusCause[] {
  if (!dataSource || !dataSourceRef) return [];
  if (dataSourceRef.namespace)
    return [invalid(field, {}, 'may not be specified when dataSourceRef.namespace is specified')];
  const parts = ['apiGroup', 'kind', 'name'] as const;
  const same = parts.every((part) => (dataSource[part] ?? '') === (dataSourceRef[part] ?? ''));
  return same ? [] : [invalid(field, {}, 'must match dataSourceRef')];
}

interface Source {
  apiGroup?: string;
  kind?: string;
  name?: string;
  namespace?: string;
}

function validateSource(source: Source | undefined, field: string): StatusCause[] {
  if (!source) return [];
  const causes: StatusCause[] = [];
  if (!source.name) causes.push(required(`${field}.name`));
  if (!source.kind) causes.push(required(`${field}.kind`));
  const { apiGroup, kind = '', namespace } = source;
  if (!apiGroup && kind !== 'PersistentVolumeClaim') {
    const detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    causes.push(invalid(field, kind, detail));
  }
  if (apiGroup) causes.push(...invalidFor(`${field}.apiGroup`, apiGroup, dnsSubdomain(apiGroup)));
  if (namespace) causes.push(...invalidFor(`${field}.namespace`, namespace, dnsLabel(namespace)));
  return causes;
}

function validateUpdate(next: PersistentVolumeClaim, old: PersistentVolumeClaim): StatusCause[] {
  const bound = next.status?.phase === 'Bound' && old.status?.phase === 'Bound';
  const causes: StatusCause[] = [];
  if (!sameValue(fixedParts(next, old, bound), fixedParts(old, old, bound))) {
    const detail =
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
    causes.push(forbidden('spec', detail));
  }
  const size = next.spec?.resources?.requests?.['storage'];
  const before = old.spec?.resources?.requests?.['storage'];
  const capacity = old.status?.capacity?.['storage'];
  if (bound && capacity !== undefined && isLess(size, before) && !isLess(capacity, size)) {
    causes.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'));
  }
  return causes;
}

/**
 * What of the spec may not change: a volume and a class are chosen once, the size and attributes of a bound claim
 * may change.
 */
function fixedParts({ spec = {} }: PersistentVolumeClaim, old: PersistentVolumeClaim, bound: boolean) {
  const fixed: PersistentVolumeClaimSpec = { ...spec };
  if (!old.spec?.volumeName) delete fixed.volumeName;
  if (classOf(old) === undefined) delete fixed.storageClassName;
  if (bound) {
    delete fixed.volumeAttributesClassName;
    fixed.resources = { ...spec.resources, requests: { ...spec.resources?.requests, storage: '0' } };
  }
  return fixed;
}

function isLess(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && compareQuantities(parseQuantity(a), parseQuantity(b)) < 0;
}
