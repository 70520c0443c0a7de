import type { ContainerMount, ContainerSpec } from '../driver.ts';
import { DriverError } from '../errors.ts';
import type { ImageProcess } from './image-process.ts';

const bound = ['--die-with-parent', '--new-session'];
const files = ['--bind', 'rootfs', '/', '--proc', '/proc', '--ro-bind', '/sys', '/sys'];

/**
 * A container in the words of bubblewrap, which read them from a file: they hold the variables. Bubblewrap cannot run a program as
 * another user of the image, and what is run beside the container has all of the agent's rights: containers for which that would be
 * more than they ask for are refused.
 *
 * @throws DriverError
 */
export function bubblewrapWords(
  spec: ContainerSpec,
  {
    process,
    mounts,
    hostname,
  }: { process: ImageProcess; mounts: readonly ContainerMount[]; hostname: string | undefined },
): string[] {
  const { security } = spec;
  if (process.user.uid !== 0 || process.user.gid !== 0) throw refused('run as another user than root');
  if (typeof spec.pids === 'object') throw refused('show a container the processes of another one');
  return [
    ...bound,
    ...(spec.pids === 'host' ? [] : ['--unshare-pid', '--as-pid-1']),
    ...(spec.hostIpc ? [] : ['--unshare-ipc']),
    ...(hostname === undefined ? [] : ['--unshare-uts', '--hostname', hostname]),
    ...files,
    ...(security.privileged ? ['--dev-bind', '/dev', '/dev'] : ['--dev', '/dev']),
    ...(spec.devices ?? []).flatMap(({ source, target }) => ['--dev-bind', source, target]),
    ...mounts.flatMap(({ source, target, readOnly }) => [readOnly ? '--ro-bind' : '--bind', source, target]),
    ...(security.readOnlyRoot ? ['--remount-ro', '/'] : ['--dir', process.cwd]),
    '--cap-drop',
    'ALL',
    ...process.capabilities.effective.flatMap((name) => ['--cap-add', name]),
    '--clearenv',
    ...process.environment.flatMap((text) => {
      const at = text.indexOf('=');
      return ['--setenv', text.slice(0, at), text.slice(at + 1)];
    }),
    '--chdir',
    process.cwd,
  ];
}

/** @throws DriverError where a command beside the container would have more rights than the container may have. */
export function requireExecByBubblewrap({
  dropCapabilities = [],
  noNewPrivileges,
}: ContainerSpec['security']): void {
  if (dropCapabilities.length > 0 || noNewPrivileges)
    throw refused('run commands in a container with fewer rights');
}

function refused(what: string): DriverError {
  return new DriverError(
    'CreateContainerConfigError',
    `bubblewrap cannot ${what}: install crun or runc on this device`,
  );
}
