/**
 * What runs a pod's containers. Drivers move things, they decide nothing: restart policy, order and back-off are
 * the pod worker's. Every operation may be repeated; one on something that is already so (started, gone) succeeds.
 * The suite in test/conformance/driver runs over every implementation.
 */
export interface RuntimeDriver extends Partial<Disposable> {
  /** `oci`, `process`, … ; also the runtimeClassName that selects it. */
  readonly name: string;
  /** Whether a container of this image sees the host's own files, devices among them; absent: none does. */
  seesHost?(image: string): boolean;
  /** Images come by way of the device's layers, so that it is worth keeping some for its neighbours; known after `probe`. */
  readonly usesLayers?: boolean;
  /** Whether it works on this host, and what it found, in words for a person. */
  probe(): Promise<DriverProbe>;

  /** Everything of ours that exists, running or not, also what the caller has forgotten. */
  list(): Promise<{ sandboxes: SandboxHandle[]; containers: ContainerHandle[] }>;

  /** Makes what the pod's containers share: network, IPC, PID namespace, or a cgroup and folders. */
  createSandbox(pod: SandboxSpec): Promise<SandboxHandle>;
  inspectSandbox(handle: SandboxHandle): Promise<SandboxState>;
  /** Gives up what the sandbox holds of the node; what is left of its containers, which have ended, stays readable. */
  stopSandbox(handle: SandboxHandle): Promise<void>;
  removeSandbox(handle: SandboxHandle): Promise<void>;
  /**
   * Changes what the pod may take as a whole: `raise` leaves alone what would become less. Nothing where it has no group
   * of its own. Throws DriverError `ResizeError` when the pod uses more already.
   */
  updateSandbox?(handle: SandboxHandle, limits: PodLimits, how: 'raise' | 'exact'): Promise<void>;
  /** Of which limits are not enforced here, and why, for people; absent or undefined when all are. */
  readonly unenforced?: UnenforcedLimits | undefined;

  /** A driver may only remember it until the start: what was never started need not survive the agent. */
  create(spec: ContainerSpec, sandbox: SandboxHandle): Promise<ContainerHandle>;
  /** Nothing for one that runs or has run: an attempt never runs twice. */
  start(handle: ContainerHandle): Promise<void>;
  /**
   * Asks, waits up to `graceMs`, then kills. Resolves when nothing of the container runs. One that was created and
   * never started is forgotten: it will not run any more.
   */
  stop(handle: ContainerHandle, options: { graceMs: number }): Promise<void>;
  /**
   * Changes what a running container may take; what is absent stays as it is. Absent where that takes a new container.
   */
  update?(handle: ContainerHandle, limits: ResourceLimits): Promise<void>;
  /** Removes a stopped container with its logs. */
  remove(handle: ContainerHandle): Promise<void>;
  inspect(handle: ContainerHandle): Promise<ContainerState>;

  /** Calls `onHint` soon after a container's state may have changed. Hints may be lost or wrong: inspect tells. */
  watch(onHint: (podUid: string) => void): Disposable;

  /** Fetches the image unless it is present. Absent where images mean nothing. */
  pull?(image: string, options: PullOptions): Promise<PulledImage>;
  /** Absent where images mean nothing. */
  readonly images?: ImageStore;
  logs?(handle: ContainerHandle, options: LogOptions, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** What the container wrote to its `terminationMessagePath`; '' when nothing. */
  terminationMessage?(handle: ContainerHandle): Promise<string>;
  exec?(handle: ContainerHandle, options: ExecOptions): Promise<ExecProcess>;
  /**
   * The output of a running container from now on, and its input where it was created with one. Ending or killing the
   * session leaves the container as it is, but for the end of its input where the options say so.
   */
  attach?(handle: ContainerHandle, options: AttachOptions): Promise<ExecProcess>;
  /** Lets go of timers and watches; what runs goes on. */
  [Symbol.dispose]?(): void;
}

export interface DriverProbe {
  available: boolean;
  /** E.g. `podman 5.4.2 with runc`, or why it cannot be used. */
  message: string;
  /** As in Node.status.nodeInfo.containerRuntimeVersion, e.g. `podman://5.4.2`. */
  version: string;
}

export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';

export interface PullOptions {
  policy: PullPolicy;
  signal: AbortSignal;
  /** Tried one after the other; without any, what the engine knows by itself. */
  credentials?: readonly RegistryCredential[];
  /** Fetching itself goes through it, so that it can be made to wait for its turn. Not called for an image that is present. */
  fetching?: <T>(fetch: () => Promise<T>) => Promise<T>;
  /** How much of what is being fetched has arrived, now and then, where the engine lets that be seen. */
  onArrived?: (bytes: number) => void;
  /** How much came from which devices nearby, when it is complete and something did. */
  onNearby?: (bytes: ReadonlyMap<string, number>) => void;
}

export interface PulledImage {
  imageId: string;
  /** The image in its registry, by digest, where it came from one; else its id. */
  reference: string;
  /** Unpacked. */
  sizeBytes: number;
}

export interface ImageStore {
  /** What is on this device, but for what the driver keeps for itself. */
  list(): Promise<StoredImage[]>;
  /** False when it is still there: a container uses it. */
  remove(image: StoredImage): Promise<boolean>;
  /** Takes in an archive as docker's and OCI's tools write it; resolves to the names of its images. */
  load(path: string, signal: AbortSignal): Promise<string[]>;
  /** The folder that they lie in, where that is known. */
  root(): Promise<string | undefined>;
}

export interface StoredImage {
  imageId: string;
  /** With the registry, as the engine writes it. */
  tags: readonly string[];
  digests: readonly string[];
  sizeBytes: number;
}

/** In the words of docker's configuration file. */
export interface RegistryCredential {
  /** Its host, with the port if there is one. */
  registry: string;
  /** `user:password`, in base64. */
  auth?: string;
  identitytoken?: string;
  registrytoken?: string;
}

export interface SandboxSpec {
  podUid: string;
  namespace: string;
  name: string;
  hostname: string;
  hostNetwork: boolean;
  ports: readonly PortMapping[];
  labels: Readonly<Record<string, string>>;
  /** Kernel parameters of its namespaces. */
  sysctls?: Readonly<Record<string, string>>;
  /** What its containers together may take. */
  limits?: PodLimits;
}

export interface PodLimits extends ResourceLimits {
  qos: 'Guaranteed' | 'Burstable' | 'BestEffort';
}

export interface UnenforcedLimits {
  resources: readonly ('cpu' | 'memory' | 'pids')[];
  reason: string;
}

export interface PortMapping {
  containerPort: number;
  hostPort: number;
  protocol: 'TCP' | 'UDP' | 'SCTP';
  hostIp: string;
}

export interface ContainerSpec {
  podUid: string;
  namespace: string;
  pod: string;
  container: string;
  /** Counts this container's starts under this pod; (podUid, container, attempt) is unique for ever. */
  attempt: number;
  image: string;
  /** Kubernetes' command and args: each replaces the image's entrypoint and cmd when not empty. */
  command: readonly string[];
  args: readonly string[];
  workingDir: string | undefined;
  environment: Readonly<Record<string, string>>;
  /** In the order in which they are to be made. */
  mounts: readonly ContainerMount[];
  /** Images whose files it may read. */
  imageMounts?: readonly ImageMount[];
  /** Device files that it may open, read and write. */
  devices?: readonly ContainerDevice[];
  security: ContainerSecurity;
  resources: ResourceLimits;
  tty: boolean;
  stdin: boolean;
  /** In the container: a file it may write a last word to. */
  terminationMessagePath?: string;
  /** Other than the image's own, e.g. `SIGQUIT`. */
  stopSignal?: string;
  /** Whose processes it sees beside its own: all the pod's, the host's, or those of another container of the pod. */
  pids?: 'pod' | 'host' | ContainerHandle;
  hostIpc?: boolean;
  hosts?: HostsFile;
  resolver?: ResolverFile;
}

export interface HostsFile {
  /** The host's own lines come first. */
  ofHost: boolean;
  text: string;
}

export interface ResolverFile {
  /** Added to what the host has, instead of in its place. */
  ofHost: boolean;
  nameservers: readonly string[];
  searches: readonly string[];
  options: readonly string[];
}

export interface ContainerMount {
  /** A file, folder or device of the host that exists. */
  source: string;
  /** Absolute, in the container. */
  target: string;
  readOnly: boolean;
  /** Whether later mounts below are seen: in neither, from the host, or both ways. */
  propagation: 'private' | 'rslave' | 'rshared';
}

export interface ImageMount {
  image: string;
  /** Absolute, in the container. */
  target: string;
  /** '' for all of the image. */
  subPath: string;
}

export interface ContainerDevice {
  /** On the host. */
  source: string;
  /** In the container. */
  target: string;
  readOnly?: boolean;
}

/** What is absent is as the runtime has it. Names of capabilities are without `CAP_`; `ALL` is one too. */
export interface ContainerSecurity {
  user?: number;
  group?: number;
  /** Further groups. */
  groups?: readonly number[];
  /** None but these: whatever groups the image has its user in do not count. */
  onlyTheseGroups?: boolean;
  /** It must not run as root; holds which container this is, in kubelet's words. */
  nonRoot?: string;
  addCapabilities?: readonly string[];
  dropCapabilities?: readonly string[];
  privileged?: boolean;
  noNewPrivileges?: boolean;
  readOnlyRoot?: boolean;
  seccomp?: SecurityProfile;
  appArmor?: SecurityProfile;
  seLinux?: Readonly<Record<string, string>>;
}

export type SecurityProfile =
  | { type: 'RuntimeDefault' | 'Unconfined' }
  /** A profile that the host has by this name. */
  | { type: 'Localhost'; name: string };

export interface ResourceLimits {
  /** Thousandths of a core; undefined: no limit. */
  cpuLimitMillis: number | undefined;
  cpuRequestMillis: number | undefined;
  memoryLimitBytes: number | undefined;
  /** Not taken back while others have more than theirs, where the kernel can promise that; absent: nothing. */
  memoryMinBytes?: number;
  /** Processes and threads; absent: no limit. */
  pidsMax?: number;
  /** -1000 to 1000, higher dies first when memory is gone; absent: as the agent's own. */
  oomScoreAdjust?: number;
}

/** Plain data, checkpointed to disk: enough for a restarted agent to find the thing again. */
export interface SandboxHandle {
  driver: string;
  podUid: string;
  id: string;
  /** The driver's own facts. */
  data: Readonly<Record<string, string | number>>;
}

export interface ContainerHandle {
  driver: string;
  podUid: string;
  container: string;
  attempt: number;
  id: string;
  data: Readonly<Record<string, string | number>>;
}

/** `missing`: it was removed behind our back, or never made. */
export type SandboxState = { state: 'ready'; podIps: string[] } | { state: 'stopped' | 'missing' };

export type ContainerState =
  | { state: 'created' }
  | { state: 'running'; pid: number; startedAtMs: number; imageId: string; engineId?: string }
  | {
      state: 'exited';
      /** Undefined when nobody saw the end (power cut); the pod worker reports it as an unknown failure. */
      exitCode: number | undefined;
      signal: number | undefined;
      outOfMemory: boolean;
      startedAtMs: number;
      finishedAtMs: number;
      imageId: string;
      /** What it left to be read; see `terminationMessage`. */
      message?: string;
      /** The id by which the engine's own tools know the container, where there is an engine. */
      engineId?: string;
    }
  | { state: 'missing' };

export interface LogOptions {
  follow: boolean;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  /** By the wall clock of the device, which stamps the lines too. */
  sinceMs: number | undefined;
  /** Before each line, in UTC, as RFC 3339 with nine digits after the second. */
  timestamps: boolean;
  /** Only what came this way, where the driver keeps the two apart; absent: all. */
  stream?: 'stdout' | 'stderr' | undefined;
}

export interface ExecOptions {
  command: readonly string[];
  stdin: boolean;
  tty: boolean;
}

export interface AttachOptions {
  stdin: boolean;
  /** The container's input ends with this session; else it stays open for the next one. */
  stdinOnce?: boolean;
  /** The container was created with a terminal. */
  tty: boolean;
}

export interface ExecProcess {
  /** Resolves when the process took it (back-pressure). */
  write(data: Uint8Array): Promise<void>;
  endStdin(): void;
  resize(columns: number, rows: number): Promise<void>;
  output(): AsyncIterable<{ channel: 'stdout' | 'stderr'; data: Uint8Array }>;
  readonly exit: Promise<number>;
  kill(): void;
}
