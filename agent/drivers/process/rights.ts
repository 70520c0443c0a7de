import { readFileSync } from 'node:fs';
import type { ContainerSecurity } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { systemProgram } from './system-program.ts';

/**
 * The words that give a host process its user, groups and capabilities (`setpriv`), before its own. One that asks for
 * nothing runs as the agent does.
 *
 * @throws DriverError where this agent cannot give or take them.
 */
export function withRights(security: ContainerSecurity, command: readonly string[]): string[] {
  const words = [...identityWords(security), ...capabilityWords(security)];
  if (security.noNewPrivileges) words.push('--no-new-privs');
  if (words.length === 0) return [...command];
  const own = process.getuid?.();
  if (own !== 0 && (words.length > 1 || !security.noNewPrivileges))
    throw refused(`the agent runs as user ${own ?? 'unknown'}, not as root`);
  return [systemProgram('setpriv'), ...words, '--', ...command];
}

function identityWords({ user, group, groups = [], onlyTheseGroups }: ContainerSecurity): string[] {
  if (user === undefined && group === undefined && groups.length === 0 && !onlyTheseGroups) return [];
  if (group !== undefined && user === undefined) throw refused('runAsGroup is specified without a runAsUser');
  return [
    ...(user === undefined ? [] : [`--reuid=${user}`, `--regid=${group ?? primaryGroup(user)}`]),
    groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups',
  ];
}

/** The host's own of that user, else one of the same number: never root's by accident. */
function primaryGroup(user: number): number {
  try {
    const rows = readFileSync('/etc/passwd', 'utf8').split('\n');
    const fields = rows.map((row) => row.split(':'));
    const group = fields.find(([, , uid]) => Number(uid) === user)?.[3];
    return group === undefined ? user : Number(group);
  } catch {
    return user;
  }
}

function capabilityWords({
  user,
  privileged,
  addCapabilities = [],
  dropCapabilities = [],
}: ContainerSecurity): string[] {
  if (privileged) return [];
  const drop = dropCapabilities.map((name) => `-${name.toLowerCase()}`);
  const add = addCapabilities.map((name) => `+${name.toLowerCase()}`);
  const keepsAll = drop.length === 0;
  return [
    ...(keepsAll ? [] : [`--bounding-set=${[...drop, ...add].join(',')}`]),
    ...(keepsAll && add.length === 0 ? [] : [`--inh-caps=${[...drop, ...add].join(',')}`]),
    // A user other than root keeps over the exec only what is ambient.
    ...(user !== undefined && user !== 0 && add.length > 0 ? [`--ambient-caps=${add.join(',')}`] : []),
  ];
}

function refused(why: string): DriverError {
  return new DriverError(
    'CreateContainerConfigError',
    `a host process cannot be given the rights it asks for: ${why}`,
  );
}
