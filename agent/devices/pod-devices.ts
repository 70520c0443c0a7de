import { stat } from 'node:fs/promises';
import { deviceDriver, deviceKinds } from '../../protocol/devices.ts';
import type { Container, Pod, ResourceResourceClaim } from '../../protocol/generated/models.ts';
import { podClaimNames } from '../../protocol/kinds/pod-claims.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { ContainerDevice, ContainerSecurity } from '../drivers/driver.ts';
import type { DeviceFiles } from './device-files.ts';
import type { DeviceMonitor } from './device-monitor.ts';
import type { FoundDevice } from './found-device.ts';

/** What a container is to be given of the host's devices; found when it is started, by names that stay. */
export interface WantedDevices {
  claims: readonly WantedClaim[];
  /** `kind/name` of what was set aside for the pod, by the resource that it counts as. */
  assigned: Readonly<Record<string, readonly string[]>>;
}

export interface WantedClaim {
  /** As the pod calls it. */
  name: string;
  /** `namespace/name` of the ResourceClaim; undefined when it is not made yet. */
  claim: string | undefined;
  /** One request of it; undefined: all. */
  request: string | undefined;
}

export interface PreparedDevices {
  devices: ContainerDevice[];
  /** `FLOTILLA_DEVICE_<CLAIM>`: its device files, parted by commas. */
  environment: Record<string, string>;
  /** Groups that a user other than root needs to open them. */
  groups: number[];
  /** Device files by `kind/name`: when these become others, the container must be started anew. */
  bound: Record<string, string>;
  /** The same devices by what the container asked for: `claim:<name>/<request>` or the resource that they count as. */
  uses: Record<string, string[]>;
}

export interface PodDevices {
  /** Rejects with an Error that says which device or claim is missing, and what to do. */
  prepare(podUid: string, wanted: WantedDevices, options: PrepareOptions): Promise<PreparedDevices>;
  /** The device files that `kind/name` has now; undefined when it is not there. */
  nodesOf: (key: string) => string | undefined;
}

export interface PrepareOptions {
  security: ContainerSecurity;
  /** The container sees the host's own files, so that nothing needs to be brought in. */
  seesHost: boolean;
}

export interface PodDevicesOptions {
  nodeName: string;
  monitor: Pick<DeviceMonitor, 'devices' | 'find' | 'look'>;
  files: Pick<DeviceFiles, 'onHost' | 'resolve'>;
  desired: Pick<DesiredSet, 'entries'>;
}

/** Undefined when the container asks for none. */
export function wantedDevices(
  pod: Pod,
  { name, resources }: Container,
  assigned: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {},
): WantedDevices | undefined {
  const named = new Map(podClaimNames(pod).map((one) => [one.name, one.claim]));
  const namespace = pod.metadata?.namespace ?? '';
  const claims = (resources?.claims ?? []).map((one) => {
    const claim = named.get(one.name);
    return {
      name: one.name,
      claim: claim === undefined ? undefined : `${namespace}/${claim}`,
      request: one.request,
    };
  });
  const own = assigned[name] ?? {};
  return claims.length === 0 && Object.keys(own).length === 0 ? undefined : { claims, assigned: own };
}

export function createPodDevices(options: PodDevicesOptions): PodDevices {
  return {
    async prepare(podUid, wanted, how) {
      const groups: DeviceGroup[] = [];
      for (const claim of wanted.claims) groups.push(await claimed(options, podUid, claim));
      for (const [resource, keys] of Object.entries(wanted.assigned)) {
        const found = await Promise.all(
          keys.map((key) => findDevice(options, key, `of resource ${resource}`)),
        );
        groups.push({ variable: resource, devices: found, uses: { [resource]: keys.slice() } });
      }
      return gather(options, groups, how);
    },
    nodesOf: (key) => {
      const [kind = '', name = ''] = key.split('/');
      return options.monitor.find(kind, name)?.nodes.join(',');
    },
  };
}

interface DeviceGroup {
  variable: string;
  devices: FoundDevice[];
  uses: Record<string, string[]>;
}

async function claimed(
  options: PodDevicesOptions,
  podUid: string,
  { name, claim: key, request }: WantedClaim,
): Promise<DeviceGroup> {
  const object = key === undefined ? undefined : options.desired.entries.get(`ResourceClaim/${key}`)?.object;
  const claim = object as Pick<ResourceResourceClaim, 'status'> | undefined;
  if (key === undefined || !claim) throw new Error(`resource claim "${name}" is not known to this node yet`);
  const { allocation, reservedFor = [] } = claim.status ?? {};
  if (!allocation) throw new Error(`ResourceClaim ${key} has no devices allocated`);
  if (!reservedFor.some(({ uid }) => uid === podUid))
    throw new Error(`ResourceClaim ${key} is not reserved for this pod`);
  const results = (allocation.devices?.results ?? []).filter(
    (result) =>
      request === undefined || result.request === request || result.request.startsWith(`${request}/`),
  );
  const devices: FoundDevice[] = [];
  const uses: Record<string, string[]> = {};
  for (const { driver, pool, device, request: of } of results) {
    const kind = deviceKinds.find((one) => deviceDriver(one) === driver);
    if (kind === undefined || pool !== options.nodeName)
      throw new Error(
        `ResourceClaim ${key} has device ${device} of ${driver} in ${pool}, which is not of this node`,
      );
    (uses[`claim:${name}/${of}`] ??= []).push(`${kind}/${device}`);
    devices.push(await findDevice(options, `${kind}/${device}`, `of ResourceClaim ${key}`));
  }
  return { variable: request === undefined ? name : `${name}_${request}`, devices, uses };
}

/** Looks at the host anew before it says that a device is not there. */
async function findDevice({ monitor }: PodDevicesOptions, key: string, whose: string): Promise<FoundDevice> {
  const [kind = '', name = ''] = key.split('/');
  const known = monitor.find(kind, name);
  if (known) return known;
  await monitor.look();
  const found = monitor.find(kind, name);
  if (!found) throw new Error(`device ${name} (${kind}) ${whose} is not there: plug it in again`);
  return found;
}

async function gather(
  { files }: PodDevicesOptions,
  groups: readonly DeviceGroup[],
  { security, seesHost }: PrepareOptions,
): Promise<PreparedDevices> {
  const prepared: PreparedDevices = { devices: [], environment: {}, groups: [], bound: {}, uses: {} };
  const seen = new Set<string>();
  for (const { variable, devices, uses } of groups) {
    Object.assign(prepared.uses, uses);
    const shown: string[] = [];
    for (const { kind, name, nodes } of devices) {
      prepared.bound[`${kind}/${name}`] = nodes.join(',');
      for (const node of nodes) {
        const source = files.onHost((await files.resolve(node)) ?? node);
        shown.push(seesHost ? source : node);
        if (seen.has(node)) continue;
        seen.add(node);
        const group = await openingGroup(source, security);
        if (group !== undefined && !prepared.groups.includes(group)) prepared.groups.push(group);
        if (!seesHost) prepared.devices.push({ source, target: node });
      }
    }
    prepared.environment[variableName(variable)] = shown.join(',');
  }
  return prepared;
}

const ownerBits = 0o600;
const groupBits = 0o060;
const otherBits = 0o006;

/** Which group lets the container's user open the file. Its permissions are the host's business and stay as they are. */
async function openingGroup(
  path: string,
  { user, groups = [] }: ContainerSecurity,
): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new Error(`the device file ${path} is not there`);
  if (user === undefined || user === 0) return undefined;
  const has = (bits: number) => (found.mode & bits) === bits;
  if (has(otherBits) || (found.uid === user && has(ownerBits))) return undefined;
  if (has(groupBits) && (found.gid !== 0 || groups.includes(0))) return found.gid;
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0');
  throw new Error(
    `user ${user} may not open ${path} (owner ${found.uid}:${found.gid}, mode ${mode}): give the device a group that may, by a udev rule`,
  );
}

function variableName(text: string): string {
  return `FLOTILLA_DEVICE_${text.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`;
}
