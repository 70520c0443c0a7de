import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../generated/models.ts';
import type { StatusCause } from '../../status.ts';
import { duplicate, invalid, oneOf, optionalOneOf, required } from '../cause.ts';
import { validateRelativePath } from './validate-volume.ts';

const idMax = 2 ** 31 - 1;
const sysctlBytesMax = 253;
const sysctlPattern = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';

/** Source of rules and wording: k8s.io/kubernetes/pkg/apis/core/validation. */
export function validatePodSecurity(spec: PodSpec, field: string): StatusCause[] {
  const context = spec.securityContext ?? {};
  const causes = [
    ...validateId(context.runAsUser, `${field}.runAsUser`),
    ...validateId(context.runAsGroup, `${field}.runAsGroup`),
    ...validateId(context.fsGroup, `${field}.fsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((id, index) =>
      validateId(id, `${field}.supplementalGroups[${index}]`),
    ),
    ...validateSysctls(context.sysctls ?? [], `${field}.sysctls`),
    ...optionalOneOf(`${field}.fsGroupChangePolicy`, context.fsGroupChangePolicy, [
      'Always',
      'OnRootMismatch',
    ]),
    ...optionalOneOf(`${field}.supplementalGroupsPolicy`, context.supplementalGroupsPolicy, [
      'Merge',
      'Strict',
    ]),
    ...validateProfiles(context, field),
  ];
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    const detail = 'ShareProcessNamespace and HostPID cannot both be enabled';
    causes.push(invalid(`${field}.shareProcessNamespace`, true, detail));
  }
  return causes;
}

export function validateContainerSecurity(
  context: SecurityContext | undefined,
  field: string,
): StatusCause[] {
  if (!context) return [];
  const causes = [
    ...validateId(context.runAsUser, `${field}.runAsUser`),
    ...validateId(context.runAsGroup, `${field}.runAsGroup`),
    ...optionalOneOf(`${field}.procMount`, context.procMount, ['Default', 'Unmasked']),
    ...validateProfiles(context, field),
  ];
  if (context.allowPrivilegeEscalation !== false) return causes;
  const refuse = (what: string) =>
    causes.push(invalid(field, context, `cannot set \`allowPrivilegeEscalation\` to false and ${what}`));
  if (context.privileged === true) refuse('`privileged` to true');
  if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) refuse('`capabilities.Add` CAP_SYS_ADMIN');
  return causes;
}

function validateId(id: number | undefined, field: string): StatusCause[] {
  if (id === undefined || (id >= 0 && id <= idMax)) return [];
  return [invalid(field, id, `must be between 0 and ${idMax}, inclusive`)];
}

function validateSysctls(sysctls: NonNullable<PodSecurityContext['sysctls']>, field: string): StatusCause[] {
  const seen = new Set<string>();
  const pattern = new RegExp(`^${sysctlPattern}$`);
  return sysctls.flatMap(({ name }, index) => {
    const at = `${field}[${index}].name`;
    if (!name) return [required(at)];
    const known = seen.has(name);
    seen.add(name);
    if (known) return [duplicate(at, name)];
    if (name.length <= sysctlBytesMax && pattern.test(name)) return [];
    return [
      invalid(at, name, `must have at most ${sysctlBytesMax} characters and match regex ^${sysctlPattern}$`),
    ];
  });
}

function validateProfiles(
  { seccompProfile, appArmorProfile }: Pick<SecurityContext, 'seccompProfile' | 'appArmorProfile'>,
  field: string,
): StatusCause[] {
  return [
    ...validateProfile(seccompProfile, { field: `${field}.seccompProfile`, what: 'seccomp' }),
    ...validateProfile(appArmorProfile, { field: `${field}.appArmorProfile`, what: 'AppArmor' }),
  ];
}

function validateProfile(
  profile: SeccompProfile | AppArmorProfile | undefined,
  { field, what }: { field: string; what: 'seccomp' | 'AppArmor' },
): StatusCause[] {
  if (!profile) return [];
  const { type, localhostProfile } = profile;
  const at = `${field}.localhostProfile`;
  const causes = oneOf(`${field}.type`, type, ['Localhost', 'RuntimeDefault', 'Unconfined']);
  if (type === 'Localhost') {
    if (!localhostProfile) causes.push(required(at, `must be set when ${what} type is Localhost`));
    else if (what === 'seccomp') causes.push(...validateRelativePath(localhostProfile, at));
  } else if (localhostProfile !== undefined) {
    causes.push(invalid(at, localhostProfile, `can only be set when ${what} type is Localhost`));
  }
  return causes;
}
