import type { ResourceRequirements } from '../../generated/models.ts';
import { compareQuantities, isQuantity, parseQuantity } from '../../quantity.ts';
import type { StatusCause } from '../../status.ts';
import { invalid, invalidFor, required } from '../cause.ts';
import { qualifiedName } from '../name-rules.ts';

const standardForContainers = ['cpu', 'memory', 'ephemeral-storage'];
/** Names that mean something in quotas and claims. */
const standardElsewhere: ReadonlySet<string> = new Set([
  ...['requests', 'limits'].flatMap((list) => standardForContainers.map((name) => `${list}.${name}`)),
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'requests.storage',
  'resourcequotas',
  'secrets',
  'services',
  'services.loadbalancers',
  'services.nodeports',
  'storage',
]);

export function validateResources(resources: ResourceRequirements | undefined, field: string): StatusCause[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const causes = [
    ...Object.entries(limits).flatMap(([name, amount]) => validateAmount(name, amount, `${field}.limits`)),
    ...Object.entries(requests).flatMap(([name, amount]) =>
      validateAmount(name, amount, `${field}.requests`),
    ),
  ];
  if (causes.length > 0) return causes;
  for (const [name, request] of Object.entries(requests)) {
    causes.push(...validateAgainstLimit({ name, request, limit: limits[name] }, field));
  }
  return causes;
}

function validateAmount(name: string, amount: string, list: string): StatusCause[] {
  const field = `${list}[${name}]`;
  const causes = validateResourceName(name, field);
  if (!isQuantity(amount)) return [...causes, invalid(field, amount, 'must be a quantity')];
  const { nano } = parseQuantity(amount);
  if (nano < 0n) causes.push(invalid(field, amount, 'must be greater than or equal to 0'));
  if (isExtended(name) && nano % 1_000_000_000n !== 0n) {
    causes.push(invalid(field, amount, 'must be an integer'));
  }
  return causes;
}

function validateResourceName(name: string, field: string): StatusCause[] {
  const faults = qualifiedName(name);
  if (faults.length > 0) return invalidFor(field, name, faults);
  if (name.includes('/') || isStandard(name)) return [];
  return [
    ...(standardElsewhere.has(name)
      ? []
      : [invalid(field, name, 'must be a standard resource type or fully qualified')]),
    invalid(field, name, 'must be a standard resource for containers'),
  ];
}

function isStandard(name: string): boolean {
  return standardForContainers.includes(name) || name.startsWith('hugepages-');
}

/** Devices and the like, which cannot be shared or overcommitted. */
function isExtended(name: string): boolean {
  return name.includes('/') && !name.includes('kubernetes.io/');
}

interface Claim {
  name: string;
  request: string;
  limit: string | undefined;
}

function validateAgainstLimit({ name, request, limit }: Claim, field: string): StatusCause[] {
  const exact = isExtended(name) || name.startsWith('hugepages-');
  if (limit === undefined) {
    return exact ? [required(`${field}.limits`, 'Limit must be set for non overcommitable resources')] : [];
  }
  const order = compareQuantities(parseQuantity(request), parseQuantity(limit));
  if (exact && order !== 0) {
    return [invalid(`${field}.requests`, request, `must be equal to ${name} limit of ${limit}`)];
  }
  if (order <= 0) return [];
  return [invalid(`${field}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)];
}
