import type { ServiceAccount } from '../generated/models.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const serviceAccountKind = defineKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  singular: 'serviceaccount',
  shortNames: ['sa'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ServiceAccount',
  verbs: allVerbs,
  subresources: ['token'],
  columns: [
    nameColumn,
    {
      name: 'Secrets',
      type: 'string',
      description: 'How many secrets it lists.',
      value: ({ secrets }) => secrets?.length ?? 0,
    },
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,
  validate: (account) => validateObjectMeta(account, dnsSubdomain),
});
