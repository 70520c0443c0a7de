import type { ContainerState, PulledImage, SandboxState } from '../driver.ts';
import { qualifiedReference } from './image-reference.ts';

/** The parts of `container inspect` that podman, docker and nerdctl share. */
interface Inspected {
  Id?: string;
  Image?: string;
  State?: {
    Status?: string;
    Pid?: number;
    ExitCode?: number;
    OOMKilled?: boolean;
    StartedAt?: string;
    FinishedAt?: string;
  };
  HostConfig?: { NetworkMode?: string; LogConfig?: { Path?: string } };
  NetworkSettings?: {
    IPAddress?: string;
    GlobalIPv6Address?: string;
    Networks?: Record<string, { IPAddress?: string; GlobalIPv6Address?: string }> | null;
  };
}

/** From the text of `container inspect <name>`: a list of one. */
export function parseContainerState(text: string): ContainerState {
  const [inspected] = JSON.parse(text) as Inspected[];
  const state = inspected?.State;
  if (!inspected || !state) return { state: 'missing' };
  const ids = { imageId: normalImageId(inspected.Image ?? ''), engineId: inspected.Id ?? '' };
  const startedAtMs = timeMs(state.StartedAt);
  switch (state.Status ?? '') {
    case 'running':
    case 'paused':
    case 'restarting':
    case 'stopping':
      return { state: 'running', pid: state.Pid ?? 0, startedAtMs, ...ids };
    case 'created':
    case 'configured':
    case 'initialized':
      // After a reboot podman shows as new what ran when the power went.
      return startedAtMs === 0 ? { state: 'created' } : exited(state, { ids, endSeen: false });
    default:
      return exited(state, { ids, endSeen: true });
  }
}

function exited(
  state: NonNullable<Inspected['State']>,
  { ids, endSeen }: { ids: { imageId: string; engineId: string }; endSeen: boolean },
): ContainerState {
  const startedAtMs = timeMs(state.StartedAt);
  return {
    state: 'exited',
    exitCode: endSeen ? state.ExitCode : undefined,
    signal: undefined,
    outOfMemory: state.OOMKilled === true,
    startedAtMs,
    finishedAtMs: Math.max(timeMs(state.FinishedAt), startedAtMs),
    ...ids,
  };
}

/** Where podman's driver `k8s-file` writes; undefined when it does not. */
export function parseLogPath(text: string): string | undefined {
  const [inspected] = JSON.parse(text) as Inspected[];
  return inspected?.HostConfig?.LogConfig?.Path || undefined;
}

export function parseSandboxState(text: string, hostAddresses: () => string[]): SandboxState {
  const [inspected] = JSON.parse(text) as Inspected[];
  if (!inspected) return { state: 'missing' };
  if (inspected.State?.Status !== 'running') return { state: 'stopped' };
  if (inspected.HostConfig?.NetworkMode === 'host') return { state: 'ready', podIps: hostAddresses() };
  const settings = inspected.NetworkSettings ?? {};
  const networks = [settings, ...Object.values(settings.Networks ?? {})];
  const addresses = [
    ...networks.map(({ IPAddress }) => IPAddress),
    ...networks.map(({ GlobalIPv6Address }) => GlobalIPv6Address),
  ].filter((address) => address !== undefined && address !== '') as string[];
  return { state: 'ready', podIps: [...new Set(addresses)] };
}

/**
 * From the text of `image inspect`, which names what it found also when it did not find all. Of several registries that it
 * is known to come from, that of `reference` is the one.
 */
export function parseImage(text: string, reference: string): PulledImage | undefined {
  try {
    const [image] = JSON.parse(text) as { Id?: string; Size?: number; RepoDigests?: string[] | null }[];
    if (image?.Id === undefined) return undefined;
    const imageId = normalImageId(image.Id);
    const repository = reference.replace(/@.*$/, '').replace(/:[^/:]+$/, '');
    const digests = (image.RepoDigests ?? []).filter(
      (digest) => qualifiedReference(digest).split('@')[0] === repository,
    );
    const exact = digests.find((digest) => qualifiedReference(digest) === reference);
    // Made on this device: what an engine says it would be in a registry is no use to anybody.
    const local = repository.startsWith('localhost/');
    const known = local ? undefined : (exact ?? digests[0]);
    return {
      imageId,
      reference: known === undefined ? imageId : qualifiedReference(known),
      sizeBytes: image.Size ?? 0,
    };
  } catch {
    return undefined;
  }
}

export function normalImageId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id;
}

/** 0 for Go's zero time and for nothing. */
function timeMs(text: string | undefined): number {
  const time = Date.parse(text ?? '');
  return Number.isNaN(time) ? 0 : Math.max(time, 0);
}
