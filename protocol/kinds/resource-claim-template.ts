import type { ResourceClaimTemplate } from '../generated/models.ts';
import { immutable } from './cause.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateClaimSpec } from './device-requests.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { defaultClaimSpec } from './resource-claim.ts';

export const resourceClaimTemplateKind = defineKind<ResourceClaimTemplate>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaimTemplate',
  plural: 'resourceclaimtemplates',
  singular: 'resourceclaimtemplate',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.resource.v1.ResourceClaimTemplate',
  verbs: allVerbs,
  subresources: [],
  columns: [nameColumn, ageColumn],
  selectableFields: {},
  generationOf: false,

  applyDefaults: ({ spec }) => defaultClaimSpec(spec?.spec),
  validate: (template) => [
    ...validateObjectMeta(template, dnsSubdomain),
    ...validateClaimSpec(template.spec?.spec, 'spec.spec'),
  ],
  validateUpdate: (next, old) => immutable('spec', next.spec, old.spec),
});
