import { realpathSync } from 'node:fs';
import { run } from '../../../lib/exec.ts';
import type { ContainerSpec } from '../driver.ts';
import { DriverError } from '../errors.ts';
import { systemProgram } from './system-program.ts';

const hostTmpName = '.flotilla-host';

/**
 * A host process sees its volumes, and a /tmp of its own, in a mount namespace of its own: everything else stays the
 * host's, and the mounts end with the last process in it, so that nothing is left over whatever happens to the agent.
 * Mount points that the host does not have are made on it, as empty folders or files, and stay
 * (docs/decisions/0195-volumes-on-the-device.md, 0275-a-tmp-for-each-process.md).
 *
 * While the mounts are made, the host's /tmp is in its own one, for volumes whose sources lie there.
 *
 * Arguments: mount and umount programs, whether the host's files may be written (rw or ro), where the host has its
 * temporary files, the folder that takes their place ('' for none), number of mounts, three words for each, the working
 * directory, then the command.
 */
const mountScript = `
__fl_mount=$1 __fl_umount=$2 __fl_root=$3 __fl_at=$4 __fl_tmp=$5 __fl_left=$6
shift 6
umask 022
__fl_host=
[ "$__fl_root" = rw ] || while read -r __fl_device __fl_point __fl_rest; do
  case $__fl_point in /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) ;; *) __fl_host="$__fl_host $__fl_point" ;; esac
done < /proc/self/mounts
if [ -n "$__fl_tmp" ]; then
  # By way of the working directory, which is found also when it is covered.
  mkdir -p "$__fl_tmp/${hostTmpName}" && cd "$__fl_tmp" && "$__fl_mount" --rbind "$__fl_at" ${hostTmpName} &&
    "$__fl_mount" --bind . "$__fl_at" &&
    "$__fl_mount" --no-canonicalize --move ${hostTmpName} "$__fl_at/${hostTmpName}" || exit 128
  [ "$__fl_root" = rw ] || __fl_host="$__fl_host $__fl_at"
fi
while [ "$__fl_left" -gt 0 ]; do
  if [ -d "$1" ]; then [ -d "$2" ] || mkdir -p "$2"
  elif [ ! -e "$2" ]; then mkdir -p "\${2%/*}" && : > "$2"; fi || exit 128
  "$__fl_mount" --rbind "$1" "$2" || exit 128
  [ "$3" = rw ] || "$__fl_mount" -o remount,bind,ro "$2" || exit 128
  shift 3
  __fl_left=$((__fl_left - 1))
done
if [ -n "$__fl_tmp" ]; then
  "$__fl_umount" --lazy "$__fl_at/${hostTmpName}" && rmdir "$__fl_at/${hostTmpName}" || exit 128
fi
for __fl_point in $__fl_host; do
  __fl_point=$(printf '%b' "$__fl_point")
  # One that another program removes meanwhile is gone here too.
  [ ! -e "$__fl_point" ] || "$__fl_mount" -o remount,bind,ro "$__fl_point" || [ ! -e "$__fl_point" ] || exit 128
done
cd "$1" || exit 128
shift
# Who looks for the process from now on finds all that it is to see.
trap '' PIPE
echo started >&4 2> /dev/null
trap - PIPE
exec "$@" 4>&-
`;

/** With the volumes in another container's namespace: to its working directory, then the command. */
const enterScript = `
cd "$1" || exit 126
shift
exec "$@"
`;

export interface OwnView extends Pick<ContainerSpec, 'mounts' | 'security'> {
  /** Takes the place of the host's /tmp. */
  tmp?: PrivateTmp | undefined;
}

export interface PrivateTmp {
  folder: string;
  /** Files and folders that the process finds where the host has them, also if that is below /tmp. */
  shown: readonly string[];
}

/** Whether a process sees other files than the host's. */
export function hasOwnView({ mounts, security, tmp }: OwnView): boolean {
  return mounts.length > 0 || security.readOnlyRoot === true || tmp !== undefined;
}

/** Whether this agent may give processes mounts of their own: it is root, and has not been denied that. */
export async function mayMount(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const words = ['--mount', '--propagation', 'private', 'true'];
  const tried = await run('unshare', words, { timeoutMs: tryTimeoutMs }).catch(() => undefined);
  return tried?.exitCode === 0;
}

const tryTimeoutMs = 10_000;

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
  const { mounts, security, tmp, cwd } = view;
  if (!hasOwnView(view)) return [...command];
  if (process.getuid?.() !== 0) throw refused('the agent does not run as root');
  const both = mounts.find(({ propagation }) => propagation === 'rshared');
  if (both) throw refused(`${both.target} asks for mountPropagation Bidirectional`);
  const at = realpathSync('/tmp');
  const shown = [
    ...(security.readOnlyRoot ? [writable] : []),
    // The agent's folder may be a link that leads there.
    ...(tmp?.shown ?? []).map(realPath).filter((path) => isBelow(path, at)),
  ];
  const all = [
    ...[...new Set(shown)].map((path) => ({ source: path, target: path, readOnly: false })),
    ...mounts,
  ];
  const words = all.flatMap(({ source, target, readOnly }) => [
    tmp ? sourceBeside(source, at) : source,
    target,
    readOnly ? 'ro' : 'rw',
  ]);
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
    systemProgram('umount'),
    security.readOnlyRoot ? 'ro' : 'rw',
    at,
    tmp?.folder ?? '',
    String(all.length),
    ...words,
    cwd,
    ...command,
  ];
}

/** Where a source of the host's is found once the private /tmp is in its place. */
function sourceBeside(source: string, at: string): string {
  const real = realPath(source);
  return real === at || isBelow(real, at) ? `${at}/${hostTmpName}${real.slice(at.length)}` : source;
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** For a command beside the process `pid`, which has mounts of its own. */
export function inMountsOf(pid: number, cwd: string, command: readonly string[]): string[] {
  const enter = [systemProgram('nsenter'), `--mount=/proc/${pid}/ns/mnt`];
  return [...enter, '/bin/sh', '-c', enterScript, 'flotilla-enter', cwd, ...command];
}

/** Whether a path is only there once the volumes are. */
export function isMounted(path: string, targets: readonly string[]): boolean {
  return targets.some((target) => path === target || isBelow(path, target));
}

function refused(why: string): DriverError {
  return new DriverError(
    'CreateContainerConfigError',
    `a host process cannot be given volumes here: ${why}; use a container engine, or change that`,
  );
}
