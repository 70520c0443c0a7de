import type { ResourceRequirements } from '../../generated/models.ts';
import { compareQuantities, parseQuantity } from '../../quantity.ts';
import type { StatusCause } from '../../status.ts';
import { invalid, required } from '../cause.ts';
import { isOvercommitted, validateContainerResourceName, validateQuantity } from '../resource-names.ts';

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
  return [...validateContainerResourceName(name, field), ...validateQuantity(name, amount, field)];
}

interface Claim {
  name: string;
  request: string;
  limit: string | undefined;
}

function validateAgainstLimit({ name, request, limit }: Claim, field: string): StatusCause[] {
  const exact = !isOvercommitted(name);
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
