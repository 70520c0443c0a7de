import { allVerbs, defineKind } from './define-kind.ts';

export const nodeKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  singular: 'node',
  shortNames: ['no'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.core.v1.Node',
  verbs: allVerbs,
  subresources: ['proxy', 'status'],
  columns: [],
  selectableFields: {},
});
