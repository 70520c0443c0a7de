import type { Lease, LeaseSpec } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { forbidden, invalid, invalidFor, nonNegative, notSupported } from './cause.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
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
  const { leaseDurationSeconds, leaseTransitions } = spec;
  const causes = nonNegative('spec.leaseTransitions', leaseTransitions);
  if (leaseDurationSeconds !== undefined && leaseDurationSeconds <= 0) {
    causes.push(invalid('spec.leaseDurationSeconds', leaseDurationSeconds, 'must be greater than 0'));
  }
  return [...causes, ...validateCoordination(spec)];
}

/** Who shall hold a lease of which the server chooses the holder. */
function validateCoordination({ strategy, preferredHolder }: LeaseSpec): StatusCause[] {
  const causes: StatusCause[] = [];
  if (strategy !== undefined) {
    const field = 'spec.strategy.strategy';
    if (strategy.includes('/')) causes.push(...invalidFor(field, strategy, qualifiedName(strategy)));
    else if (strategy !== 'OldestEmulationVersion')
      causes.push(notSupported(field, strategy, ['OldestEmulationVersion']));
  }
  if (preferredHolder && !strategy)
    causes.push(forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined'));
  return causes;
}
