import { allVerbs, defineKind } from './define-kind.ts';

export const eventKind = defineKind({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Event',
  verbs: allVerbs,
  subresources: [],
  columns: [],
  selectableFields: {},
});
