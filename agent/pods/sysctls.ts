import type { PodSpec } from '../../protocol/generated/models.ts';
import { safeSysctls } from '../../protocol/safe-sysctls.ts';

/** Why the pod cannot have the parameters it asks for, in kubelet's words; undefined when it can. */
export function forbiddenSysctl(
  { securityContext, hostNetwork, hostIPC }: PodSpec,
  runtime: string | undefined,
  allowedUnsafe: readonly string[],
): string | undefined {
  for (const { name } of securityContext?.sysctls ?? []) {
    const plain = dotted(name);
    if (!safeSysctls.has(plain) && !allowedUnsafe.some((pattern) => matches(pattern, plain)))
      return `forbidden sysctl: "${name}" not allowlisted`;
    const ofHost = runtime === 'process' || (plain.startsWith('net.') ? hostNetwork : hostIPC);
    if (ofHost)
      return `forbidden sysctl: "${name}" not allowed with host ${plain.startsWith('net.') ? 'net' : 'ipc'} enabled`;
  }
  return undefined;
}

/** What of the kernel a pod has of its own: nothing else can be allowed (source: kubelet, pkg/kubelet/sysctl). */
const ownOfPods = /^(?:net\.|fs\.mqueue\.|kernel\.(?:shm|msg|sem))/;

/** Whether `kernel.msg*` or `net.core.somaxconn` may be allowed at all. */
export function isAllowablePattern(pattern: string): boolean {
  return /^[a-z0-9]([-_a-z0-9./]*[a-z0-9])?[./]?\*?$/.test(pattern) && ownOfPods.test(dotted(pattern));
}

function matches(pattern: string, name: string): boolean {
  const plain = dotted(pattern);
  return plain.endsWith('*') ? name.startsWith(plain.slice(0, -1)) : plain === name;
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
