import type { ServiceSpec } from '../../protocol/generated/models.ts';
import { parseIp } from '../../protocol/ip-address.ts';
import { invalid, sameValue } from '../../protocol/kinds/cause.ts';
import { isHeadless } from '../../protocol/kinds/service-fields.ts';
import type { StatusCause } from '../../protocol/status.ts';
import type { AddressRange } from './address-range.ts';

const policyField = 'spec.ipFamilyPolicy';

/**
 * Fills in, in place, for which families a service is, from what it says and what the cluster has (source: Kubernetes'
 * initIPFamilyFields). Returns what is wrong.
 */
export function initFamilies(
  spec: ServiceSpec,
  old: Readonly<ServiceSpec> | undefined,
  ranges: readonly AddressRange[],
): StatusCause[] {
  if (old && staysAsItPreferred(spec, old)) return [];
  const selectorless = isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0;
  spec.ipFamilyPolicy ??= old?.ipFamilyPolicy ?? (selectorless ? 'RequireDualStack' : 'SingleStack');
  const causes = old ? reductionFaults(spec, old) : [];
  causes.push(...multiplicityFaults(spec), ...inferFamilies(spec, ranges));
  if (causes.length > 0) return causes;
  const families = (spec.ipFamilies ??= []);
  const wantsBoth = spec.ipFamilyPolicy !== 'SingleStack';
  if (selectorless) {
    if (families.length === 0) families.push(defaultFamily(ranges));
    if (wantsBoth) addOther(families);
    return [];
  }
  causes.push(...configurationFaults(spec, ranges));
  if (causes.length > 0) return causes;
  if (families.length === 0) families.push(defaultFamily(ranges));
  if (wantsBoth && ranges.length === 2) addOther(families);
  return [];
}

function defaultFamily([first]: readonly AddressRange[]): string {
  return first?.family ?? 'IPv4';
}

function addOther(families: string[]): void {
  if (families.length === 1) families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4');
}

/** A cluster that gained or lost a family changes no service that only prefers two. */
function staysAsItPreferred(spec: ServiceSpec, old: Readonly<ServiceSpec>): boolean {
  const fields = ['type', 'clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const;
  return (
    spec.ipFamilyPolicy === 'PreferDualStack' && fields.every((name) => sameValue(spec[name], old[name]))
  );
}

/** To release a second address takes saying so. */
function reductionFaults(spec: ServiceSpec, old: Readonly<ServiceSpec>): StatusCause[] {
  const addresses = spec.clusterIPs ?? [];
  const families = spec.ipFamilies ?? [];
  if (spec.ipFamilyPolicy === 'SingleStack') {
    if (sameValue(addresses, old.clusterIPs ?? []) && addresses.length > 1)
      spec.clusterIPs = addresses.slice(0, 1);
    if (sameValue(families, old.ipFamilies ?? []) && families.length > 1)
      spec.ipFamilies = families.slice(0, 1);
    return [];
  }
  const isReduced = (next: readonly string[], before: readonly string[] = []) =>
    next.length === 1 && before.length === 2 && next[0] === before[0];
  const release = (what: string) =>
    invalid(policyField, spec.ipFamilyPolicy, `must be 'SingleStack' to release the secondary ${what}`);
  return [
    ...(isReduced(addresses, old.clusterIPs) ? [release('cluster IP')] : []),
    ...(isReduced(families, old.ipFamilies) ? [release('IP family')] : []),
  ];
}

function multiplicityFaults({
  ipFamilyPolicy,
  clusterIPs = [],
  ipFamilies = [],
}: ServiceSpec): StatusCause[] {
  if (ipFamilyPolicy !== 'SingleStack') return [];
  const fault = (what: string) =>
    invalid(
      policyField,
      ipFamilyPolicy,
      `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`,
    );
  return [
    ...(clusterIPs.length === 2 ? [fault('cluster IPs')] : []),
    ...(ipFamilies.length === 2 ? [fault('IP families')] : []),
  ];
}

/** A chosen address tells its family. */
function inferFamilies(spec: ServiceSpec, ranges: readonly AddressRange[]): StatusCause[] {
  const families = (spec.ipFamilies ??= []);
  return (spec.clusterIPs ?? []).flatMap((address, index) => {
    const ip = parseIp(address);
    if (!ip || index < families.length) return [];
    const family = ip.family === 4 ? 'IPv4' : 'IPv6';
    if (ranges.some((range) => range.family === family)) {
      families.push(family);
      return [];
    }
    return [
      invalid(`spec.clusterIPs[${index}]`, spec.clusterIPs, `${family} is not configured on this cluster`),
    ];
  });
}

function configurationFaults(
  { ipFamilyPolicy, ipFamilies = [] }: ServiceSpec,
  ranges: readonly AddressRange[],
): StatusCause[] {
  const single = ipFamilyPolicy === 'RequireDualStack' && ranges.length < 2;
  return [
    ...(single
      ? [invalid(policyField, ipFamilyPolicy, 'this cluster is not configured for dual-stack services')]
      : []),
    ...ipFamilies.flatMap((family, index) =>
      ranges.some((range) => range.family === family)
        ? []
        : [invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')],
    ),
  ];
}
