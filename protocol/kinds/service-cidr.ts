import type { ServiceCIDR } from '../generated/models.ts';
import { parseCidr } from '../ip-address.ts';
import type { StatusCause } from '../status.ts';
import { validateCidr } from './address-rules.ts';
import { immutable, invalid, required } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

/** A range that Services get their addresses from. */
export const serviceCidrKind = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  plural: 'servicecidrs',
  singular: 'servicecidr',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.networking.v1.ServiceCIDR',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    textColumn('CIDRs', 'The range, one a family.', ({ spec }) => spec?.cidrs?.join(',') ?? ''),
    ageColumn,
  ],
  selectableFields: {},

  prepareCreate(range) {
    range.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (range) => [
    ...validateObjectMeta(range, dnsSubdomain),
    ...validateRanges(range.spec?.cidrs ?? []),
  ],
  validateUpdate: (next, old) => validateChange(next.spec?.cidrs ?? [], old.spec?.cidrs ?? []),
});

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/networking/validation. */
function validateRanges(cidrs: readonly string[]): StatusCause[] {
  if (cidrs.length === 0) return [required('spec.cidrs', 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalid('spec.cidrs', { CIDRs: cidrs }, 'may only hold up to 2 values')];
  const causes = cidrs.flatMap((text, index) => validateCidr(`spec.cidrs[${index}]`, text));
  const [first, second] = cidrs.map(parseCidr);
  if (first && second && first.family === second.family) {
    const detail = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    causes.push(invalid('spec.cidrs', cidrs, detail));
  }
  return causes;
}

/** A range of the other family may join the one there is; nothing else changes. */
function validateChange(next: readonly string[], old: readonly string[]): StatusCause[] {
  const isJoined = old.length === 1 && next.length === 2;
  if (next.length !== old.length && !isJoined) return immutable('spec.cidrs', next, old);
  return old.flatMap((cidr, index) => immutable(`spec.cidrs[${index}]`, next[index], cidr));
}
