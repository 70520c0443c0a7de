import { isQuantity, parseQuantity } from '../quantity.ts';
import type { StatusCause } from '../status.ts';
import { invalid, invalidFor } from './cause.ts';
import { qualifiedName } from './name-rules.ts';

/** Which names of resources mean something where (source: k8s.io/kubernetes/pkg/apis/core/helper). */

const forContainers = ['cpu', 'memory', 'ephemeral-storage'];
/** Kinds that quotas count, whose amounts are whole numbers. */
export const countedKinds: readonly string[] = [
  'configmaps',
  'persistentvolumeclaims',
  'pods',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'services',
  'services.loadbalancers',
  'services.nodeports',
];
const forQuotas: ReadonlySet<string> = new Set([
  ...countedKinds,
  ...forContainers,
  ...forContainers.flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  'requests.storage',
]);

export function isContainerResource(name: string): boolean {
  return forContainers.includes(name) || name.startsWith('hugepages-');
}

export function isQuotaResource(name: string): boolean {
  return forQuotas.has(name) || name.startsWith('hugepages-') || name.startsWith('requests.hugepages-');
}

/** Whether more of it can be promised than there is. */
export function isOvercommitted(name: string): boolean {
  return isNative(name) && !name.startsWith('hugepages-');
}

function isNative(name: string): boolean {
  return !name.includes('/') || name.includes('kubernetes.io/');
}

/** Devices and their like, which are whole. */
export function isExtended(name: string): boolean {
  if (isNative(name) || name.startsWith('requests.')) return false;
  return qualifiedName(`requests.${name}`).length === 0;
}

/** What is wrong with a name that stands for any resource at all. */
export function validateResourceName(name: string, field: string): StatusCause[] {
  const faults = qualifiedName(name);
  if (faults.length > 0) return invalidFor(field, name, faults);
  const isStandard = name === 'storage' || isQuotaResource(name);
  if (name.includes('/') || isStandard) return [];
  return [invalid(field, name, 'must be a standard resource type or fully qualified')];
}

export function validateContainerResourceName(name: string, field: string): StatusCause[] {
  const causes = validateResourceName(name, field);
  if (name.includes('/')) {
    if (isNative(name) || isExtended(name)) return causes;
    return [...causes, invalid(field, name, "doesn't follow extended resource name standard")];
  }
  if (isContainerResource(name)) return causes;
  return [...causes, invalid(field, name, 'must be a standard resource for containers')];
}

export function validateQuotaResourceName(name: string, field: string): StatusCause[] {
  const causes = validateResourceName(name, field);
  if (name.includes('/') || isQuotaResource(name)) return causes;
  return [...causes, invalid(field, name, 'must be a standard resource for quota')];
}

/** Not less than nothing, and whole where the resource has no parts. */
export function validateQuantity(name: string, amount: string, field: string): StatusCause[] {
  if (!isQuantity(amount)) return [invalid(field, amount, 'must be a quantity')];
  const { nano } = parseQuantity(amount);
  const causes = nano < 0n ? [invalid(field, amount, 'must be greater than or equal to 0')] : [];
  const isWhole = countedKinds.includes(name) || isExtended(name);
  if (isWhole && nano % 1_000_000_000n !== 0n) causes.push(invalid(field, amount, 'must be an integer'));
  return causes;
}
