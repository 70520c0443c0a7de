import { allVerbs, defineKind } from './define-kind.ts';

export const deploymentKind = defineKind({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  singular: 'deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  namespaced: true,
  schema: 'io.k8s.api.apps.v1.Deployment',
  verbs: allVerbs,
  subresources: ['scale', 'status'],
  columns: [],
  selectableFields: {},
});
