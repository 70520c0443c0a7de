import type { DeviceClass } from '../generated/models.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateSelectors } from './device-requests.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const deviceClassKind = defineKind<DeviceClass>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'DeviceClass',
  plural: 'deviceclasses',
  singular: 'deviceclass',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.resource.v1.DeviceClass',
  verbs: allVerbs,
  subresources: [],
  columns: [nameColumn, ageColumn],
  selectableFields: {},
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...validateSelectors(object.spec?.selectors, 'spec.selectors'),
  ],
});
