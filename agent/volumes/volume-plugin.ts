import type { Pod, Volume } from '../../protocol/generated/models.ts';
import type { NodeAllocatable } from '../pods/admission.ts';

/**
 * A kind of volume: one file that exports one of these, and one line in registry.ts. A plugin answers where on the
 * host a volume's files are, and makes them; it never runs containers and never decides when. Every operation may be
 * repeated, also by an agent that was killed in the middle of the last one.
 */
export interface VolumePlugin<Source = unknown> {
  /** The field of a Volume that asks for it, e.g. `emptyDir`. */
  readonly field: keyof Volume;
  /** Keys of the desired set that the content comes from: when one of them changes, `prepare` is called again. */
  inputs?(source: Source, pod: Pod): string[];
  /** Rejects with an Error whose message goes into the FailedMount event. */
  prepare(source: Source, context: VolumeContext): Promise<PreparedVolume>;
}

export interface VolumeContext {
  pod: Pod;
  /** The volume's name in the pod. */
  name: string;
  /** A folder of this volume's own, gone with the pod: on disk, or in memory. Not made yet. */
  diskFolder: string;
  memoryFolder: () => Promise<string>;
  node: VolumeNode;
  signal: AbortSignal;
}

/** What volumes need to know of their node, and of what the server sent to it. */
export interface VolumeNode {
  name: string;
  /** The agent's own folder. */
  dataDir: string;
  labels: () => Readonly<Record<string, string>>;
  allocatable: () => NodeAllocatable;
  /** An object of the desired set, by its key there. */
  find: (key: string) => object | undefined;
  tokens: TokenSource;
}

export interface TokenSource {
  /** Names the token that `token` would answer with at once; undefined while there is none. */
  digest(request: TokenRequest): string | undefined;
  /** The newest token, waiting a little for the first one. */
  token(request: TokenRequest, signal: AbortSignal): Promise<string>;
  /** Pods of which there are tokens. */
  pods(): string[];
  /** The pod is gone. */
  forget(podUid: string): Promise<void>;
}

export interface TokenRequest {
  podUid: string;
  /** '' means the API server's own. */
  audience: string;
  expirationSeconds: number;
}

export interface PreparedVolume {
  /** On the host. */
  path: string;
  /** Whatever a mount says, containers may only read it. */
  readOnly: boolean;
  /** `path` is a block device to be handed over as it is. */
  block?: boolean;
}
