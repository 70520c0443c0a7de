import { allVerbs, defineKind } from './define-kind.ts';

export const serviceAccountKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ServiceAccount',
  verbs: allVerbs,
  subresources: ['token'],
  columns: [],
  selectableFields: {},
});
