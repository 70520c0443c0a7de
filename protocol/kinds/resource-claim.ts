import type { ResourceResourceClaim as ResourceClaim, ResourceClaimSpec } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, immutable, invalidFor, required, tooMany } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

const requestsMax = 32;

export const resourceClaimKind = defineKind<ResourceClaim>({
  group: 'resource.k8s.io',
  version: 'v1',
  kind: 'ResourceClaim',
  plural: 'resourceclaims',
  singular: 'resourceclaim',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.resource.v1.ResourceClaim',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [nameColumn, textColumn('State', 'Who has the devices.', stateText), ageColumn],
  selectableFields: {},
  generationOf: false,

  applyDefaults: ({ spec }) => defaultClaimSpec(spec),
  prepareCreate(claim) {
    claim.status = {};
  },
  prepareUpdate: separateStatus,
  validate: (claim) => [...validateObjectMeta(claim, dnsSubdomain), ...validateClaimSpec(claim.spec, 'spec')],
  validateUpdate: (next, old) => immutable('spec', next.spec, old.spec),
});

function stateText({ metadata, status }: ResourceClaim): string {
  const words: string[] = [];
  if (metadata?.deletionTimestamp !== undefined) words.push('deleted');
  if (!status?.allocation) {
    if (metadata?.deletionTimestamp === undefined) words.push('pending');
  } else words.push('allocated', ...((status.reservedFor ?? []).length > 0 ? ['reserved'] : []));
  return words.join(',');
}

/** For claims and templates of claims. In place, idempotent. */
export function defaultClaimSpec(spec: ResourceClaimSpec | undefined): void {
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    for (const request of [...(exactly ? [exactly] : []), ...firstAvailable]) {
      request.allocationMode ??= 'ExactCount';
      if (request.allocationMode === 'ExactCount') request.count ??= 1;
    }
  }
}

/** Source: k8s.io/kubernetes/pkg/apis/resource/validation; selectors' expressions are not evaluated here. */
export function validateClaimSpec(spec: ResourceClaimSpec | undefined, field: string): StatusCause[] {
  const requests = spec?.devices?.requests ?? [];
  const path = `${field}.devices.requests`;
  if (requests.length > requestsMax) return [tooMany(path, requests.length, requestsMax)];
  const names = new Set<string>();
  return requests.flatMap(({ name, exactly, firstAvailable }, index) => {
    const at = `${path}[${index}]`;
    const causes = name ? invalidFor(`${at}.name`, name, dnsLabel(name)) : [required(`${at}.name`)];
    if (names.has(name)) causes.push(duplicate(`${at}.name`, name));
    names.add(name);
    if (!exactly && (firstAvailable ?? []).length === 0) {
      causes.push(required(at, 'exactly one of `exactly` or `firstAvailable` is required'));
    }
    if (exactly && !exactly.deviceClassName) causes.push(required(`${at}.exactly.deviceClassName`));
    return causes;
  });
}
