/**
 * Which labels a device may give its own Node. As Kubernetes' NodeRestriction admission: within kubernetes.io and
 * k8s.io only the ones that describe the machine; never a role, never one that operators use to keep workloads away
 * from a stolen device.
 */
const describing = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/arch',
  'kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
]);
const describingPrefixes = ['kubelet.kubernetes.io', 'node.kubernetes.io'];
const labelsMax = 64;
const namePattern = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const prefixPattern = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

export function mayLabelItself(key: string): boolean {
  const slash = key.indexOf('/');
  const prefix = slash < 0 ? undefined : key.slice(0, slash);
  if (!namePattern.test(key.slice(slash + 1))) return false;
  if (prefix === undefined) return true;
  if (!prefixPattern.test(prefix)) return false;
  const reserved = ['kubernetes.io', 'k8s.io'].some(
    (domain) => prefix === domain || prefix.endsWith(`.${domain}`),
  );
  return !reserved || describing.has(key) || describingPrefixes.some((open) => isUnder(prefix, open));
}

/**
 * The node's labels after a device reported its own. `before` is what the device reported last time: a label whose
 * value has changed since then was set by an operator and stays, one the device no longer reports goes.
 */
export function mergeLabels(
  current: Readonly<Record<string, string>>,
  before: Readonly<Record<string, string>>,
  reported: Readonly<Record<string, string>>,
): Record<string, string> {
  const merged = { ...current };
  for (const [key, value] of Object.entries(before)) if (merged[key] === value) delete merged[key];
  for (const [key, value] of Object.entries(reported)) merged[key] ??= value;
  return merged;
}

/** What of the reported labels counts. */
export function permittedLabels(reported: Readonly<Record<string, string>>): Record<string, string> {
  const permitted = Object.entries(reported).filter(
    ([key, value]) => mayLabelItself(key) && (value === '' || namePattern.test(value)),
  );
  return Object.fromEntries(permitted.slice(0, labelsMax));
}

function isUnder(prefix: string, domain: string): boolean {
  return prefix === domain || prefix.endsWith(`.${domain}`);
}
