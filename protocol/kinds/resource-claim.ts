import type { ResourceResourceClaim as ResourceClaim, ResourceClaimSpec } from '../generated/models.ts';
import { immutable } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { validateClaimSpec } from './device-requests.ts';
import { dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

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
