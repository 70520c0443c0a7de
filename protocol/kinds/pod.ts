import { allVerbs, defineKind } from './define-kind.ts';

export const podKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  singular: 'pod',
  shortNames: ['po'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Pod',
  verbs: allVerbs,
  subresources: ['attach', 'binding', 'eviction', 'exec', 'log', 'portforward', 'status'],
  columns: [],
  selectableFields: {},
});
