import { allVerbs, defineKind } from './define-kind.ts';

export const serviceKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Service',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [],
  selectableFields: {},
});
