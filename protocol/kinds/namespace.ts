import { allVerbs, defineKind } from './define-kind.ts';

export const namespaceKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  singular: 'namespace',
  shortNames: ['ns'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.Namespace',
  verbs: allVerbs,
  subresources: ['finalize', 'status'],
  columns: [],
  selectableFields: {},
});
