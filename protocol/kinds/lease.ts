import type { Lease } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, nonNegative } from './cause.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const leaseKind = defineKind<Lease>({
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
  columns: [
    nameColumn,
    {
      name: 'Holder',
      type: 'string',
      description: 'Who holds the lease.',
      value: ({ spec }) => spec?.holderIdentity ?? '',
    },
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,
  validate: (lease) => [...validateObjectMeta(lease, dnsSubdomain), ...validateSpec(lease)],
});

function validateSpec({ spec = {} }: Lease): StatusCause[] {
  const { leaseDurationSeconds, leaseTransitions, holderIdentity } = spec;
  const causes = nonNegative('spec.leaseTransitions', leaseTransitions);
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    causes.push(invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
  }
  if (holderIdentity === '') causes.push(invalid('spec.holderIdentity', holderIdentity, 'must not be empty'));
  return causes;
}
