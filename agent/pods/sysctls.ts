import type { PodSpec } from '../../protocol/generated/models.ts';
import { safeSysctls } from '../../protocol/safe-sysctls.ts';

/** Why the pod cannot have the parameters it asks for, in kubelet's words; undefined when it can. */
export function forbiddenSysctl(
  { securityContext, hostNetwork, hostIPC }: PodSpec,
  runtime: string | undefined,
): string | undefined {
  for (const { name } of securityContext?.sysctls ?? []) {
    const plain = dotted(name);
    if (!safeSysctls.has(plain)) return `forbidden sysctl: "${name}" not allowlisted`;
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
