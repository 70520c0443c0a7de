import type { Container, Pod, PodSpec } from '../../protocol/generated/models.ts';
import { unknownVolume } from '../volumes/pod-volumes.ts';
import { forbiddenSysctl } from './sysctls.ts';

/**
 * What a pod may ask for and this agent does not do yet. Such a pod is refused in words: it is never run as if it
 * had not asked.
 */
export interface Refusal {
  reason: string;
  message: string;
}

/** The first thing that stands against the pod; undefined when nothing does. */
export function refuseUnsupported(
  { spec = { containers: [] } }: Pod,
  runtime: string | undefined,
): Refusal | undefined {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return (
    refuseVolumes(spec, containers) ??
    refuseSecurity(spec, containers, runtime) ??
    refuseFields(spec, runtime)
  );
}

function refuseVolumes({ volumes = [] }: PodSpec, containers: readonly Container[]): Refusal | undefined {
  for (const volume of volumes) {
    const kind = unknownVolume(volume);
    if (kind === undefined) continue;
    return refusal(
      'UnsupportedVolume',
      `volume "${volume.name}" is of a kind this node cannot mount: ${kind}`,
    );
  }
  const device = containers.find(({ volumeDevices }) => volumeDevices?.length);
  if (!device) return undefined;
  const why = `volumeDevices of container "${device.name}" (raw block devices) are not offered by this node`;
  return refusal('UnsupportedVolume', why);
}

/** To run something with more rights than its author allowed is worse than not to run it. */
function refuseSecurity(
  spec: PodSpec,
  containers: readonly Container[],
  runtime: string | undefined,
): Refusal | undefined {
  const sysctl = forbiddenSysctl(spec, runtime);
  if (sysctl !== undefined) return refusal('SysctlForbidden', sysctl);
  const problem = unenforced(spec, containers, runtime);
  return problem === undefined ? undefined : refusal('UnsupportedSecurityContext', problem);
}

/** What the containers ask for and would not get; undefined when there is nothing. Also for those that come later. */
export function unenforced(
  spec: PodSpec,
  containers: readonly Container[],
  runtime: string | undefined,
): string | undefined {
  const pod = spec.securityContext ?? {};
  for (const { name, securityContext: own = {} } of containers) {
    const where = `container "${name}"`;
    if ((own.procMount ?? 'Default') !== 'Default') return unsupportedSecurity('procMount', where);
    if (runtime !== 'process') continue;
    const asked: Record<string, boolean> = {
      seccompProfile: !isOpen(own.seccompProfile ?? pod.seccompProfile),
      appArmorProfile: !isOpen(own.appArmorProfile ?? pod.appArmorProfile),
      seLinuxOptions: (own.seLinuxOptions ?? pod.seLinuxOptions) !== undefined,
    };
    const field = Object.keys(asked).find((key) => asked[key]);
    if (field !== undefined) return unsupportedSecurity(field, `${where}, a process of the host,`);
  }
  return undefined;
}

function isOpen(profile: { type: string } | undefined): boolean {
  return profile === undefined || profile.type === 'Unconfined';
}

function unsupportedSecurity(field: string, where: string): string {
  return `securityContext.${field} of ${where} is not enforced by this node`;
}

function refuseFields(spec: PodSpec, runtime: string | undefined): Refusal | undefined {
  const asked: Record<string, boolean> = {
    // A host process has the host's names; that it sees the host's processes goes without saying.
    hostAliases: runtime === 'process' && (spec.hostAliases ?? []).length > 0,
    dnsConfig: runtime === 'process' && spec.dnsConfig !== undefined,
  };
  const field = Object.keys(asked).find((name) => asked[name]);
  return field === undefined
    ? undefined
    : refusal('UnsupportedField', `spec.${field} is not supported by this node yet`);
}

function refusal(reason: string, why: string): Refusal {
  return { reason, message: `Pod was rejected: ${why}` };
}
