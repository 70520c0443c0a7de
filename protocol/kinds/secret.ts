import { allVerbs, defineKind } from './define-kind.ts';

export const secretKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Secret',
  verbs: allVerbs,
  subresources: [],
  columns: [],
  selectableFields: {},
});
