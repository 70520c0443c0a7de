import { SelectorError, selectorCompiler } from '../cel/device-selector.ts';
import type {
  DeviceConstraint,
  DeviceRequest,
  DeviceSelector,
  DeviceSubRequest,
  ResourceClaimSpec,
} from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { duplicate, invalid, invalidFor, notSupported, required, tooMany } from './cause.ts';
import { dnsLabel, dnsSubdomain } from './name-rules.ts';

const requestsMax = 32;
const alternativesMax = 8;
const selectorsMax = 32;
const constraintsMax = 32;
const oneOfTwo = 'exactly one of `exactly` or `firstAvailable` is required';

/** What a claim asks for (source of rules and wording: k8s.io/kubernetes/pkg/apis/resource/validation). */
export function validateClaimSpec(spec: ResourceClaimSpec | undefined, field: string): StatusCause[] {
  const { requests = [], constraints = [] } = spec?.devices ?? {};
  const path = `${field}.devices.requests`;
  if (requests.length > requestsMax) return [tooMany(path, requests.length, requestsMax)];
  const names = new Set<string>();
  const causes = requests.flatMap((request, index) => {
    const at = `${path}[${index}]`;
    const found = validateName(request.name, `${at}.name`, names);
    return [...found, ...validateChoice(request, at)];
  });
  for (const { name, firstAvailable = [] } of requests)
    for (const alternative of firstAvailable) names.add(`${name}/${alternative.name}`);
  return [...causes, ...validateConstraints(constraints, names, `${field}.devices.constraints`)];
}

function validateName(name: string | undefined, field: string, names: Set<string>): StatusCause[] {
  const causes = name ? invalidFor(field, name, dnsLabel(name)) : [required(field)];
  if (name !== undefined && names.has(name)) causes.push(duplicate(field, name));
  names.add(name ?? '');
  return causes;
}

function validateChoice(
  { exactly, firstAvailable = [] }: Partial<DeviceRequest>,
  field: string,
): StatusCause[] {
  if (exactly && firstAvailable.length > 0)
    return [invalid(field, undefined, `${oneOfTwo}, but multiple fields are set`)];
  if (exactly) return validateRequest(exactly, `${field}.exactly`);
  if (firstAvailable.length === 0) return [required(field, oneOfTwo)];
  const path = `${field}.firstAvailable`;
  if (firstAvailable.length > alternativesMax) return [tooMany(path, firstAvailable.length, alternativesMax)];
  const names = new Set<string>();
  return firstAvailable.flatMap((alternative, index) => {
    const at = `${path}[${index}]`;
    return [...validateName(alternative.name, `${at}.name`, names), ...validateRequest(alternative, at)];
  });
}

function validateRequest(request: Partial<DeviceSubRequest>, field: string): StatusCause[] {
  const { deviceClassName: name, allocationMode: mode, count = 0, selectors } = request;
  const causes = name
    ? invalidFor(`${field}.deviceClassName`, name, dnsSubdomain(name))
    : [required(`${field}.deviceClassName`)];
  causes.push(...validateSelectors(selectors, `${field}.selectors`));
  if (mode === 'All') {
    if (count === 0) return causes;
    const detail = "must not be specified when allocationMode is 'All'";
    return [...causes, invalid(`${field}.count`, count, detail)];
  }
  if (mode !== 'ExactCount')
    return [...causes, notSupported(`${field}.allocationMode`, mode ?? '', ['All', 'ExactCount'])];
  return count > 0 ? causes : [...causes, invalid(`${field}.count`, count, 'must be greater than zero')];
}

/** Of requests and of classes. */
export function validateSelectors(
  selectors: readonly DeviceSelector[] | undefined,
  field: string,
): StatusCause[] {
  if (!selectors || selectors.length === 0) return [];
  if (selectors.length > selectorsMax) return [tooMany(field, selectors.length, selectorsMax)];
  const compile = selectorCompiler();
  return selectors.flatMap(({ cel }, index) => {
    if (!cel) return [required(`${field}[${index}].cel`)];
    try {
      compile(cel.expression ?? '');
      return [];
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      return [invalid(`${field}[${index}].cel.expression`, cel.expression, error.message)];
    }
  });
}

function validateConstraints(
  constraints: readonly DeviceConstraint[],
  names: ReadonlySet<string>,
  field: string,
): StatusCause[] {
  if (constraints.length > constraintsMax) return [tooMany(field, constraints.length, constraintsMax)];
  return constraints.flatMap(({ requests = [], matchAttribute, distinctAttribute }, index) => {
    const at = `${field}[${index}]`;
    const causes = requests.flatMap((name, order) => {
      if (names.has(name)) return [];
      const detail =
        "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";
      return [invalid(`${at}.requests[${order}]`, name, detail)];
    });
    if (matchAttribute !== undefined || distinctAttribute !== undefined) return causes;
    return [...causes, required(`${at}.matchAttribute`)];
  });
}
