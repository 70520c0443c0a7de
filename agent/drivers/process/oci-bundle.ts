import { statSync } from 'node:fs';
import type { ContainerDevice, ContainerMount, ContainerSpec } from '../driver.ts';
import { DriverError } from '../errors.ts';
import type { ImageProcess } from './image-process.ts';

/** A container in the words of the OCI runtime specification, for crun and runc. */
export interface BundleInput {
  spec: ContainerSpec;
  process: ImageProcess;
  mounts: readonly ContainerMount[];
  hostname: string | undefined;
  /** Of the container whose processes it is to see; undefined: its own. */
  pidNamespace: string | undefined;
  /** Below the mounts of control groups; undefined where the runtime is to leave them alone. */
  cgroupsPath: string | undefined;
}

const shmBytes = '65536k';

export function ociConfig(input: BundleInput): object {
  const { spec, process, mounts, hostname, cgroupsPath } = input;
  const { privileged = false, readOnlyRoot = false } = spec.security;
  const devices = privileged ? [] : (spec.devices ?? []).map(deviceOf);
  const score = spec.resources.oomScoreAdjust;
  return {
    ociVersion: '1.0.2',
    process: { ...ociProcess(process), ...(score === undefined ? {} : { oomScoreAdj: score }) },
    root: { path: 'rootfs', readonly: readOnlyRoot },
    ...(hostname === undefined ? {} : { hostname }),
    mounts: [...systemMounts(privileged), ...mounts.map(bindMount)],
    linux: {
      namespaces: namespacesOf(input),
      devices,
      rootfsPropagation: mounts.some(({ propagation }) => propagation === 'rslave') ? 'rslave' : 'rprivate',
      ...(cgroupsPath === undefined
        ? {}
        : { cgroupsPath, resources: { devices: deviceRules(devices, privileged) } }),
      ...(privileged ? {} : { maskedPaths, readonlyPaths }),
    },
  };
}

/** Of the container itself, or of a command beside it. */
export function ociProcess({ args, environment, cwd, user, capabilities, noNewPrivileges }: ImageProcess) {
  const { bounding, effective, ambient } = capabilities;
  return {
    terminal: false,
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    args,
    env: environment,
    cwd,
    capabilities: { bounding, effective, permitted: effective, inheritable: ambient, ambient },
    noNewPrivileges,
  };
}

/** The network is the host's. */
function namespacesOf({ spec, hostname, pidNamespace }: BundleInput): object[] {
  const pid = pidNamespace === undefined ? { type: 'pid' } : { type: 'pid', path: pidNamespace };
  return [
    { type: 'mount' },
    ...(spec.pids === 'host' ? [] : [pid]),
    ...(spec.hostIpc ? [] : [{ type: 'ipc' }]),
    ...(hostname === undefined ? [] : [{ type: 'uts' }]),
  ];
}

function systemMounts(privileged: boolean): object[] {
  const mount = (destination: string, type: string, options: readonly string[], source = type) => ({
    destination,
    type,
    source,
    options,
  });
  const closed = ['nosuid', 'noexec', 'nodev'];
  const devices = [
    mount('/dev', 'tmpfs', ['nosuid', 'strictatime', 'mode=755', `size=${shmBytes}`]),
    mount('/dev/pts', 'devpts', ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5']),
    mount('/dev/shm', 'tmpfs', [...closed, 'mode=1777', `size=${shmBytes}`], 'shm'),
    mount('/dev/mqueue', 'mqueue', closed),
  ];
  return [
    mount('/proc', 'proc', closed),
    ...(privileged ? [mount('/dev', 'bind', ['rbind', 'rprivate'], '/dev')] : devices),
    mount('/sys', 'sysfs', [...closed, privileged ? 'rw' : 'ro']),
  ];
}

function bindMount({ source, target, readOnly, propagation }: ContainerMount): object {
  const how = propagation === 'private' ? 'rprivate' : propagation;
  return { destination: target, type: 'bind', source, options: ['rbind', readOnly ? 'ro' : 'rw', how] };
}

interface BundleDevice {
  path: string;
  type: 'b' | 'c';
  major: number;
  minor: number;
  fileMode: number;
  uid: number;
  gid: number;
}

function deviceOf({ source, target }: ContainerDevice): BundleDevice {
  const found = statSync(source, { throwIfNoEntry: false });
  if (!found?.isCharacterDevice() && !found?.isBlockDevice())
    throw new DriverError('CreateContainerConfigError', `${source} is no device`);
  // As glibc's gnu_dev_major and gnu_dev_minor take them apart.
  const number = BigInt(found.rdev);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  return {
    path: target,
    type: found.isBlockDevice() ? 'b' : 'c',
    major: Number(major),
    minor: Number(minor),
    fileMode: found.mode & 0o777,
    uid: found.uid,
    gid: found.gid,
  };
}

/** The runtime itself lets through those that every container has. */
function deviceRules(devices: readonly BundleDevice[], privileged: boolean): object[] {
  if (privileged) return [{ allow: true, access: 'rwm' }];
  const own = devices.map(({ type, major, minor }) => ({ allow: true, type, major, minor, access: 'rwm' }));
  return [{ allow: false, access: 'rwm' }, ...own];
}

/** As engines hide them: what tells of the host's hardware and other processes' secrets. */
const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
