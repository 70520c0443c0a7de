import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerSecurity, SecurityProfile } from '../driver.ts';
import { DriverError } from '../errors.ts';
import type { Engine } from './engine.ts';

/**
 * A container's rights as words of the engine's command line. Where nothing is asked for, the engine's own defaults
 * hold: its list of capabilities, its seccomp profile, its AppArmor profile.
 *
 * @throws DriverError `CreateContainerConfigError` for what cannot be given.
 */
export function securityArguments(
  { command }: Engine,
  security: ContainerSecurity,
  profileFolder: string,
): string[] {
  const { groups = [], addCapabilities = [], dropCapabilities = [] } = security;
  const readOnly = command === 'podman' ? ['--read-only', '--read-only-tmpfs=false'] : ['--read-only'];
  return [
    ...userArguments(security),
    ...groups.flatMap((one) => ['--group-add', String(one)]),
    ...(security.privileged ? ['--privileged'] : []),
    ...dropCapabilities.flatMap((name) => ['--cap-drop', name]),
    ...addCapabilities.flatMap((name) => ['--cap-add', name]),
    ...(security.readOnlyRoot ? readOnly : []),
    ...(security.noNewPrivileges ? option('no-new-privileges') : []),
    ...seccomp(security.seccomp, profileFolder),
    ...appArmor(security.appArmor),
    ...Object.entries(security.seLinux ?? {}).flatMap(([part, value]) => option(`label=${part}:${value}`)),
  ];
}

/** An engine looks for further groups of a user in the image unless it is told the user's group. */
function userArguments({ user, group, onlyTheseGroups }: ContainerSecurity): string[] {
  if (group !== undefined && user === undefined) throw refused('runAsGroup is specified without a runAsUser');
  if (onlyTheseGroups && group === undefined)
    throw refused('supplementalGroupsPolicy Strict needs runAsUser and runAsGroup on this node');
  if (user === undefined) return [];
  return ['--user', group === undefined ? String(user) : `${user}:${group}`];
}

/** Localhost profiles are files below the agent's folder `seccomp`. */
function seccomp(profile: SecurityProfile | undefined, folder: string): string[] {
  if (profile?.type === 'Unconfined') return option('seccomp=unconfined');
  if (profile?.type !== 'Localhost') return [];
  if (profile.name.startsWith('/') || profile.name.split('/').includes('..'))
    throw refused(`seccomp profile ${JSON.stringify(profile.name)} is not a path below ${folder}`);
  const file = join(folder, profile.name);
  if (!existsSync(file))
    throw refused(`cannot load seccomp profile "${file}": open ${file}: no such file or directory`);
  return option(`seccomp=${file}`);
}

function appArmor(profile: SecurityProfile | undefined): string[] {
  if (!profile) return [];
  if (!appArmorEnabled()) {
    if (profile.type === 'Unconfined') return [];
    throw refused('Cannot enforce AppArmor: AppArmor is not enabled on the host');
  }
  if (profile.type === 'Unconfined') return option('apparmor=unconfined');
  return profile.type === 'Localhost' ? option(`apparmor=${profile.name}`) : [];
}

function appArmorEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    return false;
  }
}

function option(text: string): string[] {
  return ['--security-opt', text];
}

function refused(why: string): DriverError {
  return new DriverError('CreateContainerConfigError', why);
}
