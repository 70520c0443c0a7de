import type { PodSpec } from '../../protocol/generated/models.ts';

/**
 * The kernel parameters that a pod may set: those that hold in its own namespaces and harm nobody else
 * (source: Kubernetes' list of safe sysctls). A node has no list of others that it allows.
 */
const safe: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

/** Why the pod cannot have the parameters it asks for, in kubelet's words; undefined when it can. */
export function forbiddenSysctl(
  { securityContext, hostNetwork, hostIPC }: PodSpec,
  runtime: string | undefined,
): string | undefined {
  for (const { name } of securityContext?.sysctls ?? []) {
    const plain = dotted(name);
    if (!safe.has(plain)) return `forbidden sysctl: "${name}" not allowlisted`;
    const ofHost = runtime === 'process' || (plain.startsWith('net.') ? hostNetwork : hostIPC);
    if (ofHost)
      return `forbidden sysctl: "${name}" not allowed with host ${plain.startsWith('net.') ? 'net' : 'ipc'} enabled`;
  }
  return undefined;
}

/** By name with dots; a later one goes before an earlier one. */
export function sysctlsOf({ securityContext }: PodSpec): Record<string, string> {
  return Object.fromEntries((securityContext?.sysctls ?? []).map(({ name, value }) => [dotted(name), value]));
}

/** `net/ipv4/tcp_rmem` is the same as `net.ipv4.tcp_rmem`. */
function dotted(name: string): string {
  const firstSlash = name.indexOf('/');
  const firstDot = name.indexOf('.');
  const slashed = firstSlash !== -1 && (firstDot === -1 || firstSlash < firstDot);
  return slashed ? name.replaceAll('/', '.') : name;
}
