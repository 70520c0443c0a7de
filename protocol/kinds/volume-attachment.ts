import type { VolumeAttachment } from '../generated/models.ts';
import { forbidden, immutable, invalidFor, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';
import { validateDriverName } from './volume-access.ts';

const oneSource = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';

export const volumeAttachmentKind = defineKind<VolumeAttachment>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttachment',
  plural: 'volumeattachments',
  singular: 'volumeattachment',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.VolumeAttachment',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('Attacher', 'The driver that attaches it.', ({ spec }) => spec?.attacher ?? ''),
    textColumn('PV', 'The volume.', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    textColumn('Node', 'The node.', ({ spec }) => spec?.nodeName ?? ''),
    textColumn('Attached', 'Whether it is attached now.', ({ status }) => String(status?.attached ?? false)),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  prepareCreate(attachment) {
    attachment.status = { attached: false };
  },
  prepareUpdate: separateStatus,
  validate: ({ spec, ...object }) => {
    const { persistentVolumeName: name, inlineVolumeSpec: inline } = spec?.source ?? {};
    return [
      ...validateObjectMeta(object, dnsSubdomain),
      ...validateDriverName(spec?.attacher, 'spec.attacher'),
      ...(name !== undefined && inline ? [forbidden('spec.source', oneSource)] : []),
      ...(name === undefined && !inline ? [required('spec.source', oneSource)] : []),
      ...(name === ''
        ? [required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName')]
        : []),
      ...(spec?.nodeName
        ? invalidFor('spec.nodeName', spec.nodeName, dnsSubdomain(spec.nodeName))
        : [required('spec.nodeName')]),
    ];
  },
  validateUpdate: (next, old) => immutable('spec', next.spec, old.spec),
});
