import type { Container, Pod, PodSpec, VolumeProjection } from '../../protocol/generated/models.ts';
import { isHostImage } from '../drivers/host-image.ts';
import { unknownVolume } from '../volumes/pod-volumes.ts';
import { hostnameProblem } from './pod-names.ts';
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
  pod: Pod,
  runtime: string | undefined,
  allowedSysctls: readonly string[] = [],
): Refusal | undefined {
  const { spec = { containers: [] } } = pod;
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  return (
    refuseVolumes(spec, containers, runtime) ??
    refuseSysctls(spec, runtime, allowedSysctls) ??
    refuseSecurity(spec, containers, runtime) ??
    refuseFields(spec, containers, runtime) ??
    refuseName(pod)
  );
}

function refuseVolumes(
  { volumes = [] }: PodSpec,
  containers: readonly Container[],
  runtime: string | undefined,
): Refusal | undefined {
  for (const volume of volumes) {
    const kind = unknownVolume(volume);
    if (kind === undefined || (kind === 'image' && runtime !== 'process')) continue;
    return refusal(
      'UnsupportedVolume',
      `volume "${volume.name}" is of a kind this node cannot mount: ${kind}`,
    );
  }
  for (const { name, projected } of volumes) {
    const kind = (projected?.sources ?? []).map(unknownSource).find((one) => one !== undefined);
    if (kind === undefined) continue;
    const why = `volume "${name}" projects a ${kind}, which nobody issues here`;
    return refusal('UnsupportedVolume', why);
  }
  const device =
    runtime === 'process' ? containers.find(({ volumeDevices }) => volumeDevices?.length) : undefined;
  if (!device) return undefined;
  const why = `volumeDevices of container "${device.name}" (raw block devices): a host process finds the host's own under their names; ${otherwise}`;
  return refusal('UnsupportedVolume', why);
}

function unknownSource(source: VolumeProjection): string | undefined {
  return (['clusterTrustBundle', 'podCertificate'] as const).find((kind) => source[kind] !== undefined);
}

function refuseSysctls(
  spec: PodSpec,
  runtime: string | undefined,
  allowed: readonly string[],
): Refusal | undefined {
  const problem = forbiddenSysctl(spec, runtime, allowed);
  return problem === undefined ? undefined : refusal('SysctlForbidden', problem);
}

/** To run something with more rights than its author allowed is worse than not to run it. */
function refuseSecurity(
  spec: PodSpec,
  containers: readonly Container[],
  runtime: string | undefined,
): Refusal | undefined {
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
  for (const { name, securityContext: own = {}, stdin, tty } of containers) {
    const where = `container "${name}"`;
    if (runtime === 'process' && (stdin || tty))
      return `${stdin ? 'stdin' : 'tty'} of ${where}: a host process has no standard input and no terminal; ${otherwise}`;
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
  return `securityContext.${field} of ${where} is not enforced by this node; ${otherwise}`;
}

/** A host process has what the host has: what would have to be its own is refused, not left out. */
const notForProcesses: readonly { field: string; why: string; asked: (spec: PodSpec) => boolean }[] = [
  {
    field: 'hostAliases',
    why: "has the host's /etc/hosts",
    asked: (spec) => (spec.hostAliases ?? []).length > 0,
  },
  { field: 'dnsConfig', why: "has the host's name servers", asked: (spec) => spec.dnsConfig !== undefined },
  { field: 'hostnameOverride', why: "has the host's name", asked: (spec) => Boolean(spec.hostnameOverride) },
  {
    field: 'setHostnameAsFQDN',
    why: "has the host's name",
    asked: (spec) => spec.setHostnameAsFQDN === true && Boolean(spec.subdomain),
  },
];

function refuseFields(
  spec: PodSpec,
  containers: readonly Container[],
  runtime: string | undefined,
): Refusal | undefined {
  if (spec.os && spec.os.name !== 'linux')
    return refusal('PodOSNotSupported', "the OS field doesn't match node OS");
  if (spec.hostUsers === false)
    return refusal(
      'UnsupportedField',
      'spec.hostUsers=false asks for a user namespace of its own, which this node does not make',
    );
  if (runtime !== 'process' || !containers.some(({ image }) => isHostImage(image))) return undefined;
  const found = notForProcesses.find(({ asked }) => asked(spec));
  return (
    found &&
    refusal(
      'UnsupportedField',
      `spec.${found.field} asks too much: a host process ${found.why}; ${otherwise}`,
    )
  );
}

function refuseName(pod: Pod): Refusal | undefined {
  const problem = hostnameProblem(pod);
  return problem === undefined ? undefined : refusal('UnsupportedField', problem);
}

const otherwise = 'run the pod in a container (runtimeClassName: oci) or leave the field out';

function refusal(reason: string, why: string): Refusal {
  return { reason, message: `Pod was rejected: ${why}` };
}
