import * as v from 'valibot';

/**
 * What a pod worker must still know after a power cut, one journal entry per pod (`pod/<uid>`). Plain data, written
 * before the steps that depend on it are taken; a container that was started but not yet written is found again by
 * its labels. A container's restart count is the attempt number of its handle, so that it survives in the runtime
 * as well.
 */
const text = v.string();
const milliseconds = v.number();
const handleData = v.record(text, v.union([text, v.number()]));

const sandboxHandle = v.object({ driver: text, podUid: text, id: text, data: handleData });

const containerHandle = v.object({
  driver: text,
  podUid: text,
  container: text,
  attempt: v.number(),
  id: text,
  data: handleData,
});

const containerExit = v.object({
  exitCode: v.number(),
  reason: text,
  message: v.optional(text),
  startedAtMs: milliseconds,
  finishedAtMs: milliseconds,
  engineId: v.optional(text),
});
export type ContainerExit = v.InferOutput<typeof containerExit>;

const quantities = v.record(text, text);
const resources = v.object({ requests: v.optional(quantities), limits: v.optional(quantities) });
/** As a container writes them, in quantities. */
export type Resources = v.InferOutput<typeof resources>;
/** By container; those without any are left out. */
export type Allocation = Readonly<Record<string, Resources>>;

const containerRecord = v.object({
  handle: containerHandle,
  /** The image asked for when this attempt was started; a different one in the spec replaces the container. */
  image: text,
  imageId: text,
  /** The engine's own id of the container, once it was seen running. */
  engineId: v.optional(text),
  /** Which incarnation of the pod's sandbox the attempt belongs to. */
  sandboxAttempt: v.number(),
  /** How long the next restart has to wait after the exit. */
  backoffMs: milliseconds,
  /** It is being replaced, so it starts again whatever the restart policy says. */
  replace: v.boolean(),
  startedAtMs: v.optional(milliseconds),
  /** What it runs with, where it was given any. */
  resources: v.optional(resources),
  /** Its postStart hook has succeeded. */
  postStarted: v.optional(v.boolean()),
  /** Its startup probe has succeeded. */
  started: v.optional(v.boolean()),
  /** What its readiness probe said last; kept so that a new agent does not take a pod out of service. */
  ready: v.optional(v.boolean()),
  /** It was stopped because it was not well, so it starts again whatever its exit code says. */
  unwell: v.optional(v.boolean()),
  /** By `kind/name`: the device files that it was given. */
  devices: v.optional(v.record(text, text)),
  /** By resource or claim: those devices. */
  uses: v.optional(v.record(text, v.array(text))),
  exit: v.optional(containerExit),
  /** The attempt before; kept for `logs --previous` and as `lastState`. */
  previous: v.optional(v.object({ handle: containerHandle, exit: containerExit })),
});
export type ContainerRecord = v.InferOutput<typeof containerRecord>;

const reserved = v.object({
  cpuMillis: v.number(),
  memoryBytes: v.number(),
  ephemeralStorageBytes: v.number(),
  /** `<host ip>/<protocol>/<port>`; the address is empty for all. */
  hostPorts: v.array(text),
  /** By container and resource: `kind/name` of the devices set aside for it. */
  devices: v.optional(v.record(text, v.record(text, v.array(text)))),
});
export type Reserved = v.InferOutput<typeof reserved>;

const podRecord = v.object({
  uid: text,
  namespace: text,
  name: text,
  /** Name of the runtime driver; chosen once. */
  runtime: text,
  /** When this device first saw the pod: status.startTime. */
  startedAtMs: milliseconds,
  /** For a teardown after the server no longer names the pod. */
  graceSeconds: v.number(),
  /** The host boot during which the record was last adopted. */
  bootId: text,
  /** Sticky: once a teardown has begun nothing of this uid is started again. */
  terminating: v.boolean(),
  /** Not admitted: nothing of it was ever started, nothing will be. */
  refused: v.optional(v.object({ reason: text, message: text })),
  reserved,
  /** What the node grants its containers; absent in records of agents that could not resize. */
  allocation: v.optional(v.record(text, resources)),
  sandbox: v.optional(sandboxHandle),
  /** Counts the sandboxes made; 0 before the first. */
  sandboxAttempt: v.number(),
  /** For activeDeadlineSeconds, noted now and then: how long the pod has been here. */
  activeMs: v.optional(milliseconds),
  /** The sandbox was stopped because the pod has ended. */
  sandboxStopped: v.optional(v.boolean()),
  /** The node has put an end to the pod: it is Failed, and nothing of it starts again. */
  failed: v.optional(v.object({ reason: text, message: text })),
  podIps: v.array(text),
  /** Folders or mounts of its volumes may exist. */
  volumes: v.optional(v.boolean(), false),
  containers: v.record(text, containerRecord),
  /** Attempts older than `previous`, still to be removed from the runtime. */
  garbage: v.array(containerHandle),
  garbageSandboxes: v.array(sandboxHandle),
  /** By condition type: its status and since when. */
  transitions: v.record(text, v.object({ status: text, atMs: milliseconds })),
});
export type PodRecord = v.InferOutput<typeof podRecord>;

export const podKeyPrefix = 'pod/';
/** `removed/<uid>`: torn down for good. */
export const removedKeyPrefix = 'removed/';

/** Undefined for what no version of this agent wrote; the caller treats the pod as unknown. */
export function parsePodRecord(value: unknown): PodRecord | undefined {
  const result = v.safeParse(podRecord, value);
  return result.success ? result.output : undefined;
}
