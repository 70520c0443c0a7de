import type {
  AppArmorProfile,
  Container,
  Pod,
  SeccompProfile,
  SecurityContext,
} from '../../protocol/generated/models.ts';
import type { ContainerSecurity, SecurityProfile } from '../drivers/driver.ts';

/** What the container may, from its own security context and its pod's; its own wins field by field. */
export function securityOf({ metadata, spec }: Pod, container: Container): ContainerSecurity {
  const pod = spec?.securityContext ?? {};
  const own = container.securityContext ?? {};
  const user = own.runAsUser ?? pod.runAsUser;
  const group = own.runAsGroup ?? pod.runAsGroup;
  const groups = [...(pod.supplementalGroups ?? []), ...(pod.fsGroup === undefined ? [] : [pod.fsGroup])];
  const nonRoot = own.runAsNonRoot ?? pod.runAsNonRoot ?? false;
  const seccomp = profileOf(own.seccompProfile ?? pod.seccompProfile);
  const appArmor = profileOf(own.appArmorProfile ?? pod.appArmorProfile);
  const seLinux = own.seLinuxOptions ?? pod.seLinuxOptions;
  const { add = [], drop = [] } = own.capabilities ?? {};
  const where = `(pod: "${metadata?.name ?? ''}_${metadata?.namespace ?? ''}(${metadata?.uid ?? ''})", container: ${container.name})`;
  return {
    ...(user === undefined ? {} : { user }),
    ...(group === undefined ? {} : { group }),
    ...(groups.length > 0 ? { groups: [...new Set(groups)] } : {}),
    ...(pod.supplementalGroupsPolicy === 'Strict' ? { onlyTheseGroups: true } : {}),
    ...(nonRoot ? { nonRoot: where } : {}),
    ...(add.length > 0 ? { addCapabilities: add.map(capabilityName) } : {}),
    ...(drop.length > 0 ? { dropCapabilities: drop.map(capabilityName) } : {}),
    ...(own.privileged ? { privileged: true } : {}),
    ...(own.allowPrivilegeEscalation === false && !mayEscalate(own) ? { noNewPrivileges: true } : {}),
    ...(own.readOnlyRootFilesystem ? { readOnlyRoot: true } : {}),
    ...(seccomp ? { seccomp } : {}),
    ...(appArmor ? { appArmor } : {}),
    ...(seLinux ? { seLinux: { ...seLinux } } : {}),
  };
}

/** The API refuses the combination; a device does not rely on it. */
function mayEscalate({ privileged, capabilities }: SecurityContext): boolean {
  return privileged === true || (capabilities?.add ?? []).map(capabilityName).includes('SYS_ADMIN');
}

function capabilityName(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}

function profileOf(profile: SeccompProfile | AppArmorProfile | undefined): SecurityProfile | undefined {
  if (profile?.type === 'RuntimeDefault' || profile?.type === 'Unconfined') return { type: profile.type };
  if (profile?.type === 'Localhost') return { type: 'Localhost', name: profile.localhostProfile ?? '' };
  return undefined;
}
