import type { VolumeAttachment } from '../generated/models.ts';
import { immutable, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

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
      ...(spec?.attacher ? [] : [required('spec.attacher')]),
      ...(spec?.nodeName ? [] : [required('spec.nodeName')]),
      ...(name !== undefined || inline
        ? []
        : [required('spec.source', 'must specify exactly one of inlineVolumeSpec and persistentVolumeName')]),
    ];
  },
  validateUpdate: (next, old) => immutable('spec', next.spec, old.spec),
});
