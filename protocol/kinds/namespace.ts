import type { Namespace } from '../generated/models.ts';
import { invalid } from './cause.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel } from './name-rules.ts';
import { validateFinalizer, validateObjectMeta } from './object-meta.ts';
import { keepField, separateStatus } from './object-parts.ts';

const nameLabel = 'kubernetes.io/metadata.name';

export const namespaceKind = defineKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.Namespace',
  verbs: allVerbs.filter((verb) => verb !== 'deletecollection'),
  subresources: ['finalize', 'status'],
  columns: [
    nameColumn,
    {
      name: 'Status',
      type: 'string',
      description: 'Active, or Terminating while its objects are being removed.',
      value: ({ status }) => status?.phase ?? '',
    },
    ageColumn,
  ],
  selectableFields: { 'status.phase': ({ status }) => status?.phase ?? '' },
  generationOf: false,

  applyDefaults(namespace) {
    const name = namespace.metadata?.name;
    if (name) {
      const metadata = (namespace.metadata ??= {});
      metadata.labels = { ...metadata.labels, [nameLabel]: name };
    }
    namespace.spec ??= {};
    namespace.status ??= {};
    namespace.status.phase ||= 'Active';
  },
  prepareCreate(namespace) {
    namespace.status = { phase: 'Active' };
    const finalizers = namespace.spec?.finalizers ?? [];
    namespace.spec = { finalizers: [...new Set([...finalizers, 'kubernetes'])] };
  },
  prepareUpdate(next, old, context) {
    if (context.subresource === 'finalize') return keepField(next, old, 'status');
    separateStatus(next, old, context);
    keepField(next, old, 'spec');
  },
  validate: (namespace) => [
    ...validateObjectMeta(namespace, dnsLabel),
    ...(namespace.spec?.finalizers ?? []).flatMap((name) => validateFinalizer(name, 'spec.finalizers')),
  ],
  validateUpdate({ metadata, status }, _old, subresource) {
    if (subresource !== 'status') return [];
    const going = metadata?.deletionTimestamp !== undefined;
    const phase = going ? 'Terminating' : 'Active';
    if (status?.phase === phase) return [];
    const detail = `may only be '${phase}' if \`deletionTimestamp\` is ${going ? 'not ' : ''}empty`;
    return [invalid('status.Phase', status?.phase ?? '', detail)];
  },
});
