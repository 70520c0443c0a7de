import type { Container, Pod, PodSpec } from '../../protocol/generated/models.ts';
import { unknownVolume } from '../volumes/pod-volumes.ts';

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
  return refuseVolumes(spec, containers) ?? refuseSecurity(spec, containers) ?? refuseFields(spec, runtime);
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
function refuseSecurity(spec: PodSpec, containers: readonly Container[]): Refusal | undefined {
  for (const { where, context } of [
    { where: 'the pod', context: spec.securityContext },
    ...containers.map(({ name, securityContext }) => ({
      where: `container "${name}"`,
      context: securityContext,
    })),
  ]) {
    const [field] = Object.keys(context ?? {});
    if (field === undefined) continue;
    return refusal(
      'UnsupportedSecurityContext',
      `securityContext.${field} of ${where} is not enforced by this node yet`,
    );
  }
  return undefined;
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
