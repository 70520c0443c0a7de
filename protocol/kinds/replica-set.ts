import { allVerbs, defineKind } from './define-kind.ts';

export const replicaSetKind = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  singular: 'replicaset',
  shortNames: ['rs'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.ReplicaSet',
  verbs: allVerbs,
  subresources: ['scale', 'status'],
  columns: [],
  selectableFields: {},
});
