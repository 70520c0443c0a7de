import type { ImageConfig } from '../../unpacked/image-config.ts';
import type { ContainerMount, ContainerSpec } from '../driver.ts';
import { DriverError } from '../errors.ts';
import type { ImageUser } from './image-user.ts';

/** What runs in a container that has its files from an image: the image's word, and before it the pod's. */
export interface ImageProcess {
  args: readonly string[];
  /** `NAME=value`, each name once. */
  environment: readonly string[];
  cwd: string;
  user: ImageUser;
  capabilities: Capabilities;
  noNewPrivileges: boolean;
}

export interface Capabilities {
  /** With `CAP_`. */
  bounding: readonly string[];
  effective: readonly string[];
  /** What a user other than root keeps. */
  ambient: readonly string[];
}

const pathDefault = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Podman's: nothing with which devices of the host could be opened. */
const capabilitiesDefault = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
];

/** In the kernel's order (linux/capability.h). */
const capabilitiesAll = [
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE',
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN',
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE',
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE',
].flatMap((line) => line.split(' '));

/** @throws DriverError when neither the pod nor the image says what to run. */
export function imageProcess(
  spec: ContainerSpec,
  config: ImageConfig,
  { user, hostname, lastCapability }: { user: ImageUser; hostname: string; lastCapability: number },
): ImageProcess {
  const args = commandOf(spec, config);
  if (args.length === 0) throw new DriverError('RunContainerError', 'no command specified');
  const all = capabilitiesAll.slice(0, lastCapability + 1);
  return {
    args,
    environment: environmentOf(spec, config, { home: user.home, hostname }),
    cwd: spec.workingDir || config.workingDir || '/',
    user,
    capabilities: capabilitiesOf(spec, user.uid, all),
    noNewPrivileges: spec.security.noNewPrivileges === true,
  };
}

/** A command of the pod's puts the image's arguments out of use as well. */
function commandOf({ command, args }: ContainerSpec, { entrypoint, cmd }: ImageConfig): string[] {
  if (command.length > 0) return [...command, ...args];
  return [...entrypoint, ...(args.length > 0 ? args : cmd)];
}

function environmentOf(
  { environment }: ContainerSpec,
  config: ImageConfig,
  { home, hostname }: { home: string; hostname: string },
): string[] {
  const variables = new Map([
    ['PATH', pathDefault],
    ['HOSTNAME', hostname],
    ['HOME', home],
  ]);
  for (const text of config.environment) {
    const at = text.indexOf('=');
    if (at > 0) variables.set(text.slice(0, at), text.slice(at + 1));
  }
  for (const [name, value] of Object.entries(environment)) variables.set(name, value);
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

function capabilitiesOf({ security }: ContainerSpec, uid: number, all: readonly string[]): Capabilities {
  const { privileged, addCapabilities = [], dropCapabilities = [] } = security;
  const dropped = new Set(dropCapabilities.includes('ALL') ? all : dropCapabilities);
  const everything = addCapabilities.includes('ALL')
    ? all.filter((name) => !dropCapabilities.includes(name))
    : [];
  const added = [...everything, ...addCapabilities];
  // What is asked for by name is had, also where all others are dropped.
  const kept = capabilitiesDefault.filter((name) => !dropped.has(name));
  const held = new Set(privileged ? all : [...kept, ...added]);
  const bounding = all.filter((name) => held.has(name)).map((name) => `CAP_${name}`);
  if (uid === 0) return { bounding, effective: bounding, ambient: [] };
  const own = all.filter((name) => added.includes(name)).map((name) => `CAP_${name}`);
  return { bounding, effective: own, ambient: own };
}

/** What stands in the way of giving this container an image without an engine. */
export function requireRunnable({ pids, security, mounts }: ContainerSpec): void {
  if (pids === 'pod') throw refused('shareProcessNamespace');
  const both = mounts.find(({ propagation }) => propagation === 'rshared');
  if (both) throw refused(`mountPropagation Bidirectional of ${both.target}`);
  if (security.group !== undefined && security.user === undefined)
    throw new DriverError('CreateContainerConfigError', 'runAsGroup is specified without a runAsUser');
}

function refused(what: string): DriverError {
  return new DriverError('CreateContainerConfigError', `${what} needs a container engine on this device`);
}

/** The host's own, where nothing else is asked for: the container is on its network. */
export function hostNameFiles(
  mounts: readonly ContainerMount[],
  exists: (path: string) => boolean,
): ContainerMount[] {
  return ['/etc/hosts', '/etc/resolv.conf']
    .filter((path) => exists(path) && !mounts.some(({ target }) => target === path))
    .map((path) => ({ source: path, target: path, readOnly: true, propagation: 'private' as const }));
}
