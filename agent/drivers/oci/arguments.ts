import type {
  ContainerDevice,
  ContainerMount,
  ContainerSpec,
  ExecOptions,
  ImageMount,
  ResourceLimits,
  SandboxSpec,
} from '../driver.ts';
import { DriverError } from '../errors.ts';
import type { Engine } from './engine.ts';
import type { PodPlace } from './engine-groups.ts';
import { markName } from './marked-processes.ts';
import { securityArguments } from './security-arguments.ts';

/** What the driver asks an engine to do, as words of its command line. Pure, so that tests can read them. */

export interface Ownership {
  /** Tells this agent's containers from another's on the same engine. */
  owner: string;
  cluster: string;
}

export const labels = {
  owner: 'flotilla.dev/owner',
  cluster: 'flotilla.dev/cluster',
  podUid: 'flotilla.dev/pod-uid',
  namespace: 'flotilla.dev/namespace',
  pod: 'flotilla.dev/pod',
  container: 'flotilla.dev/container',
  attempt: 'flotilla.dev/attempt',
} as const;

const prefix = 'flotilla';
const hostPrefix = 'flotilla-host';
const runDetached = ['run', '--detach', '--pull', 'never', '--name'];
const logSize = '10m';

/**
 * Names are the identity: the same after a restart, and refused by the engine when used twice. A sandbox on the
 * host's network says so in its name, because what runs in it then has to ask for the host's network itself: an
 * engine without root's rights cannot join it by way of the pause container.
 */
export function sandboxName(pod: Pick<SandboxSpec, 'podUid' | 'hostNetwork'>): string {
  return `${pod.hostNetwork ? hostPrefix : prefix}.${safePart(pod.podUid)}`;
}

export function containerName(spec: { podUid: string; container: string; attempt: number }): string {
  return `${prefix}.${safePart(spec.podUid)}.${safePart(spec.container)}.${spec.attempt}`;
}

function safePart(part: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]*$/.test(part)) return part;
  throw new DriverError('CreateContainerConfigError', `${JSON.stringify(part)} cannot be part of a name`);
}

export type ParsedName =
  | { kind: 'sandbox'; podUid: string; hostNetwork: boolean }
  | { kind: 'container'; podUid: string; container: string; attempt: number };

export function parseName(name: string): ParsedName | undefined {
  const [first, podUid, container, attempt, ...rest] = name.split('.');
  const hostNetwork = first === hostPrefix;
  if ((first !== prefix && !hostNetwork) || !podUid || rest.length > 0) return undefined;
  if (container === undefined) return { kind: 'sandbox', podUid, hostNetwork };
  if (hostNetwork || !container || !/^\d+$/.test(attempt ?? '')) return undefined;
  return { kind: 'container', podUid, container, attempt: Number(attempt) };
}

/** The pause container: it does nothing, and holds the namespaces that a pod's containers share. */
export function runSandboxArguments(
  engine: Engine,
  pod: SandboxSpec,
  { owner, cluster, image, place }: Ownership & { image: string; place: PodPlace | undefined },
): string[] {
  const userLabels = Object.entries(pod.labels).filter(([name]) => !name.startsWith('flotilla.dev/'));
  return [
    ...(place?.globals ?? []),
    ...runDetached,
    sandboxName(pod),
    ...placeArguments(engine, place),
    ...labelArguments([
      ...userLabels,
      [labels.owner, owner],
      [labels.cluster, cluster],
      [labels.podUid, pod.podUid],
      [labels.namespace, pod.namespace],
      [labels.pod, pod.name],
    ]),
    ...(pod.hostNetwork ? ['--network', 'host'] : ['--hostname', pod.hostname, ...portArguments(pod)]),
    ...Object.entries(pod.sysctls ?? {}).flatMap(([name, value]) => ['--sysctl', `${name}=${value}`]),
    ...sandboxRest(engine),
    image,
  ];
}

/** What stays beside the container to see its end must not count as the pod's, nor die with it. */
function placeArguments({ command }: Engine, place: PodPlace | undefined): string[] {
  if (place === undefined) return [];
  return ['--cgroup-parent', place.parent, ...(command === 'podman' ? ['--cgroups', 'no-conmon'] : [])];
}

function sandboxRest({ command }: Engine): string[] {
  return ['--ipc', 'shareable', '--read-only', ...(command === 'podman' ? ['--log-driver', 'none'] : [])];
}

function portArguments({ ports }: SandboxSpec): string[] {
  return ports
    .filter(({ hostPort }) => hostPort > 0)
    .flatMap(({ hostIp, hostPort, containerPort, protocol }) => {
      const address = hostIp.includes(':') ? `[${hostIp}]:` : hostIp && `${hostIp}:`;
      return ['--publish', `${address}${hostPort}:${containerPort}/${protocol.toLowerCase()}`];
    });
}

export interface RunContainer {
  args: string[];
  /** For the engine's own environment: values stay out of the process list. */
  environment: Record<string, string>;
}

export function runContainerArguments(
  engine: Engine,
  spec: ContainerSpec,
  options: Ownership & {
    image: string;
    sandbox: string;
    profileFolder: string;
    place: PodPlace | undefined;
  },
): RunContainer {
  const { owner, cluster, image, sandbox, profileFolder, place } = options;
  const variables = environmentArguments(spec.environment);
  const [entrypoint, ...beforeArgs] = spec.command;
  return {
    environment: variables.environment,
    args: [
      ...(place?.globals ?? []),
      ...runDetached,
      containerName(spec),
      ...placeArguments(engine, place),
      ...labelArguments([
        [labels.owner, owner],
        [labels.cluster, cluster],
        [labels.podUid, spec.podUid],
        [labels.namespace, spec.namespace],
        [labels.pod, spec.pod],
        [labels.container, spec.container],
        [labels.attempt, String(spec.attempt)],
      ]),
      ...joinArguments(engine, sandbox, spec),
      ...variables.args,
      ...(spec.workingDir === undefined ? [] : ['--workdir', spec.workingDir]),
      ...spec.mounts.flatMap(mountArguments),
      ...(spec.imageMounts ?? []).flatMap((mount) => imageMountArguments(engine, mount)),
      ...(spec.devices ?? []).flatMap(deviceArguments),
      ...securityArguments(engine, spec.security, profileFolder),
      ...limitArguments(engine, spec),
      ...(spec.stopSignal === undefined ? [] : ['--stop-signal', spec.stopSignal]),
      ...(spec.tty ? ['--tty'] : []),
      ...(spec.stdin ? ['--interactive'] : []),
      ...logArguments(engine),
      ...(entrypoint === undefined ? [] : ['--entrypoint', entrypoint]),
      image,
      ...beforeArgs,
      ...spec.args,
    ],
  };
}

/** Colons part the words of --volume, commas those of --mount. */
function mountArguments({ source, target, readOnly, propagation }: ContainerMount): string[] {
  const parted = (separator: string) => source.includes(separator) || target.includes(separator);
  const how = propagation === 'private' ? 'rprivate' : propagation;
  if (!parted(':')) return ['--volume', `${source}:${target}:${readOnly ? 'ro' : 'rw'},${how}`];
  if (parted(','))
    throw new DriverError('CreateContainerConfigError', `${source} cannot be mounted: it has ':' and ','`);
  const words = ['type=bind', `source=${source}`, `target=${target}`, `bind-propagation=${how}`];
  return ['--mount', [...words, ...(readOnly ? ['readonly'] : [])].join(',')];
}

function imageMountArguments({ command }: Engine, { image, target, subPath }: ImageMount): string[] {
  const refuse = (why: string) =>
    new DriverError('CreateContainerConfigError', `image volume ${image}: ${why}`);
  if (command !== 'podman') throw refuse(`${command} cannot mount images, podman can`);
  if (subPath !== '') throw refuse('a part of an image (subPath) cannot be mounted on this node');
  if (`${image}${target}`.includes(',')) throw refuse("its name and place cannot have a ','");
  return ['--mount', `type=image,source=${image},target=${target}`];
}

/** Colons cannot be written in another way. */
function deviceArguments({ source, target, readOnly }: ContainerDevice): string[] {
  if (source.includes(':') || target.includes(':'))
    throw new DriverError(
      'CreateContainerConfigError',
      `${source} cannot be given to a container: it has ':'`,
    );
  return ['--device', `${source}:${target}:${readOnly ? 'r' : 'rw'}`];
}

function joinArguments(
  { command }: Engine,
  sandbox: string,
  { pids, hostIpc }: Pick<ContainerSpec, 'pids' | 'hostIpc'>,
): string[] {
  const joined = `container:${sandbox}`;
  const seen = typeof pids === 'object' ? `container:${containerName(pids)}` : pids === 'pod' ? joined : pids;
  const shared = ['--ipc', hostIpc ? 'host' : joined, ...(seen === undefined ? [] : ['--pid', seen])];
  if (sandbox.startsWith(`${hostPrefix}.`)) return ['--network', 'host', ...shared];
  // Docker gives the host name of the network's owner by itself and has no such option.
  return ['--network', joined, ...shared, ...(command === 'podman' ? ['--uts', joined] : [])];
}

/** One file of this size, or two where the engine can: an SD card must not fill up. */
function logArguments({ command }: Engine): string[] {
  if (command === 'podman') return ['--log-driver', 'k8s-file', '--log-opt', `max-size=${logSize}`];
  const options = [`max-size=${logSize}`, 'max-file=2'].flatMap((option) => ['--log-opt', option]);
  return ['--log-driver', 'json-file', ...options];
}

/** Undefined where the engine enforces nothing of it. */
export function updateArguments(engine: Engine, name: string, limits: ResourceLimits): string[] | undefined {
  const options = amountArguments(engine, limits);
  return options.length === 0 ? undefined : ['update', ...options, name];
}

/** What can change while the container runs. */
function amountArguments(engine: Engine, limits: ResourceLimits): string[] {
  const { cpuLimitMillis, cpuRequestMillis, memoryLimitBytes } = limits;
  const shares = Math.min(262144, Math.max(2, Math.round(((cpuRequestMillis ?? 0) * 1024) / 1000)));
  return [
    ...(engine.limitsCpu && cpuLimitMillis !== undefined ? ['--cpus', String(cpuLimitMillis / 1000)] : []),
    ...(engine.limitsCpu && cpuRequestMillis !== undefined ? ['--cpu-shares', String(shares)] : []),
    ...(engine.limitsMemory && memoryLimitBytes !== undefined
      ? ['--memory', String(memoryLimitBytes), '--memory-swap', String(memoryLimitBytes)]
      : []),
  ];
}

function limitArguments(engine: Engine, { resources }: ContainerSpec): string[] {
  const { pidsMax, oomScoreAdjust } = resources;
  return [
    ...amountArguments(engine, resources),
    ...(engine.limitsPids && pidsMax !== undefined ? ['--pids-limit', String(pidsMax)] : []),
    ...oomArguments(engine, oomScoreAdjust),
  ];
}

/** Nobody but root may make a process less likely to die than its parent. */
function oomArguments({ rootless }: Engine, score: number | undefined): string[] {
  return score === undefined || rootless ? [] : ['--oom-score-adj', String(score)];
}

/** Variables that would steer the engine's own program if it found them in its environment. */
const steersEngine =
  /^(?:_|LD_|GO|GCONV|DOCKER|PODMAN|CONTAINER|_CONTAINER|BUILDAH|STORAGE_|REGISTRY_|NERDCTL|CNI|NETAVARK|XDG_|DBUS_|SSL_|SSH_|LISTEN_|NOTIFY_|TMP|TEMP|PATH$|HOME$|USER$|SHELL$|LANG|LC_|TZ$|TERM$|.*_PROXY$)/i;

function environmentArguments(environment: Readonly<Record<string, string>>): RunContainer {
  const entries = Object.entries(environment);
  return {
    args: entries.flatMap(([name, value]) => ['--env', steersEngine.test(name) ? `${name}=${value}` : name]),
    environment: Object.fromEntries(entries.filter(([name]) => !steersEngine.test(name))),
  };
}

function labelArguments(pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.flatMap(([name, value]) => ['--label', `${name}=${value}`]);
}

/** Whole seconds are all an engine knows: a fraction is rounded up. */
export function stopArguments(name: string, graceMs: number): string[] {
  return ['stop', '-t', String(Math.ceil(graceMs / 1000)), name];
}

export function removeArguments({ command }: Engine, names: readonly string[]): string[] {
  return ['rm', '--force', '--volumes', ...(command === 'podman' ? ['-t', '0'] : []), ...names];
}

export function execArguments(
  engine: Engine,
  name: string,
  { command, stdin, tty, mark }: ExecOptions & { mark: string },
): string[] {
  return [
    'exec',
    '--env',
    `${markName}=${mark}`,
    ...(stdin ? ['--interactive'] : []),
    ...(tty ? ['--tty', '--detach-keys', detachKeys(engine)] : []),
    name,
    ...command,
  ];
}

/** Signals of our own are not the container's. */
export function attachArguments(engine: Engine, name: string, { stdin }: { stdin: boolean }): string[] {
  const keys = ['--detach-keys', detachKeys(engine)];
  return ['attach', '--sig-proxy=false', ...(stdin ? keys : ['--no-stdin']), name];
}

/** Ctrl-P Ctrl-Q would leave a shell behind; docker cannot switch that off, so it gets keys nobody presses. */
function detachKeys({ command }: Engine): string {
  return command === 'podman' ? '' : 'ctrl-^,ctrl-_,ctrl-^,ctrl-_';
}
