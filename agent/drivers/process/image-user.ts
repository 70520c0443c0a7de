import type { ContainerSecurity } from '../driver.ts';
import { DriverError } from '../errors.ts';

/** Whom a container runs as, by the lists of its own image. */
export interface ImageUser {
  uid: number;
  gid: number;
  groups: readonly number[];
  home: string;
}

/**
 * The pod's word goes before the image's. `passwd` and `group` are the image's files, '' where it has none.
 *
 * @throws DriverError `CreateContainerError` for a name that the image does not know.
 */
export function imageUser(
  named: string,
  security: ContainerSecurity,
  { passwd, group }: { passwd: string; group: string },
): ImageUser {
  const users = rowsOf(passwd);
  const [user = '', ofGroup] = security.user === undefined ? named.split(':') : [String(security.user)];
  const isNumber = /^\d+$/.test(user);
  const entry = users.find(([name, , uid]) =>
    isNumber ? Number(uid) === Number(user) : name === (user || 'root'),
  );
  if (!entry && !isNumber && user !== '')
    throw unknown(`unable to find user ${user}: no matching entries in passwd file`);
  const uid = isNumber ? Number(user) : Number(entry?.[2] ?? 0);
  const gid = security.group ?? groupOf(ofGroup, rowsOf(group)) ?? Number(entry?.[3] ?? 0);
  const member = rowsOf(group).filter(
    ([, , , members]) => entry !== undefined && members?.split(',').includes(entry[0] ?? ''),
  );
  const groups = ofGroup === undefined ? member.map(([, , id]) => Number(id)) : [];
  return {
    uid,
    gid,
    groups: [...new Set([...groups, ...(security.groups ?? [])])].filter((id) => Number.isInteger(id)),
    home: entry?.[5] || '/',
  };
}

function groupOf(named: string | undefined, groups: readonly string[][]): number | undefined {
  if (named === undefined || named === '') return undefined;
  if (/^\d+$/.test(named)) return Number(named);
  const entry = groups.find(([name]) => name === named);
  if (!entry) throw unknown(`unable to find group ${named}: no matching entries in group file`);
  return Number(entry[2]);
}

function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'));
}

function unknown(why: string): DriverError {
  return new DriverError('CreateContainerError', why);
}
