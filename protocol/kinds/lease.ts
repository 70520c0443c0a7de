import { allVerbs, defineKind } from './define-kind.ts';

export const leaseKind = defineKind({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  singular: 'lease',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.coordination.v1.Lease',
  verbs: allVerbs,
  subresources: [],
  columns: [],
  selectableFields: {},
});
