import { allVerbs, defineKind } from './define-kind.ts';

export const configMapKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ConfigMap',
  verbs: allVerbs,
  subresources: [],
  columns: [],
  selectableFields: {},
});
