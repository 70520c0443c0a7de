import type { ContainerMount, ContainerSpec } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { systemProgram } from './system-program.ts';

/**
 * A host process sees its volumes in a mount namespace of its own: everything else stays the host's, and the mounts
 * end with the last process in it, so that nothing is left over whatever happens to the agent. Mount points that the
 * host does not have are made on it, as empty folders or files, and stay
 * (docs/decisions/0195-volumes-on-the-device.md).
 *
 * Arguments: mount program, whether the host's files may be written (rw or ro), number of mounts, three words for each,
 * the working directory, then the command.
 */
const mountScript = `
__fl_mount=$1 __fl_root=$2 __fl_left=$3
shift 3
umask 022
__fl_host=
[ "$__fl_root" = rw ] || while read -r __fl_device __fl_point __fl_rest; do
  case $__fl_point in /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) ;; *) __fl_host="$__fl_host $__fl_point" ;; esac
done < /proc/self/mounts
while [ "$__fl_left" -gt 0 ]; do
  if [ -d "$1" ]; then [ -d "$2" ] || mkdir -p "$2"
  elif [ ! -e "$2" ]; then mkdir -p "\${2%/*}" && : > "$2"; fi || exit 128
  "$__fl_mount" --rbind "$1" "$2" || exit 128
  [ "$3" = rw ] || "$__fl_mount" -o remount,bind,ro "$2" || exit 128
  shift 3
  __fl_left=$((__fl_left - 1))
done
for __fl_point in $__fl_host; do
  __fl_point=$(printf '%b' "$__fl_point")
  # One that another program removes meanwhile is gone here too.
  [ ! -e "$__fl_point" ] || "$__fl_mount" -o remount,bind,ro "$__fl_point" || [ ! -e "$__fl_point" ] || exit 128
done
cd "$1" || exit 128
shift
exec "$@"
`;

/** With the volumes in another container's namespace: to its working directory, then the command. */
const enterScript = `
cd "$1" || exit 126
shift
exec "$@"
`;

export type OwnView = Pick<ContainerSpec, 'mounts' | 'security'>;

/** Whether a process sees other files than the host's. */
export function hasOwnView({ mounts, security }: OwnView): boolean {
  return mounts.length > 0 || security.readOnlyRoot === true;
}

/**
 * `writable` stays so when the host's files are to be read only.
 *
 * @throws DriverError where this agent cannot give a process mounts of its own.
 */
export function withMounts(
  view: OwnView & { cwd: string },
  command: readonly string[],
  writable: string,
): string[] {
  const { mounts, security, cwd } = view;
  if (!hasOwnView(view)) return [...command];
  if (process.getuid?.() !== 0) throw refused('the agent does not run as root');
  const both = mounts.find(({ propagation }) => propagation === 'rshared');
  if (both) throw refused(`${both.target} asks for mountPropagation Bidirectional`);
  const all = security.readOnlyRoot
    ? [{ source: writable, target: writable, readOnly: false }, ...mounts]
    : mounts;
  const words = all.flatMap(({ source, target, readOnly }) => [source, target, readOnly ? 'ro' : 'rw']);
  return [
    systemProgram('unshare'),
    '--mount',
    '--propagation',
    mounts.some(({ propagation }) => propagation === 'rslave') ? 'slave' : 'private',
    '/bin/sh',
    '-c',
    mountScript,
    'flotilla-mounts',
    systemProgram('mount'),
    security.readOnlyRoot ? 'ro' : 'rw',
    String(all.length),
    ...words,
    cwd,
    ...command,
  ];
}

/** For a command beside the process `pid`, which has mounts of its own. */
export function inMountsOf(pid: number, cwd: string, command: readonly string[]): string[] {
  const enter = [systemProgram('nsenter'), `--mount=/proc/${pid}/ns/mnt`];
  return [...enter, '/bin/sh', '-c', enterScript, 'flotilla-enter', cwd, ...command];
}

/** Whether a path is only there once the volumes are. */
export function isMounted(path: string, mounts: readonly ContainerMount[]): boolean {
  return mounts.some(({ target }) => path === target || path.startsWith(`${target}/`));
}

function refused(why: string): DriverError {
  return new DriverError(
    'CreateContainerConfigError',
    `a host process cannot be given volumes here: ${why}; use a container engine, or change that`,
  );
}
