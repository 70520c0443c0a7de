import * as v from 'valibot';
import { defineTopic } from './define-topic.ts';

/**
 * The sync protocol's messages. Level-triggered: any of them may be lost, repeated or reordered; a later one heals.
 * Who says what when: docs/decisions/0080-sync-sessions.md.
 */
const revision = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const counter = revision;
const text = v.pipe(v.string(), v.maxLength(4096));
/** 16 hex digits; see sync-hash.ts. */
const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/));
const entryKey = v.pipe(v.string(), v.maxLength(512));
const quantities = v.record(text, text);
/** A Kubernetes object as it is; its own schema is the API's business. */
const object = v.record(v.string(), v.unknown());

/** As many as a kubelet tells of. */
export const reportedImagesMax = 50;

/** What a node says of itself; becomes Node.status and the node's own labels. */
const nodeReport = v.object({
  capacity: quantities,
  allocatable: quantities,
  addresses: v.array(v.object({ type: text, address: text })),
  /** Node.status.nodeInfo, field for field. */
  nodeInfo: v.record(text, text),
  labels: v.record(text, text),
  conditions: v.array(
    v.object({ type: text, status: v.picklist(['True', 'False', 'Unknown']), reason: text, message: text }),
  ),
  /** Names of the runtime drivers that work on this device, the default first. */
  runtimes: v.array(text),
  /** Of the few that a device may say of itself; see server/nodes/node-writer.ts. */
  annotations: v.optional(v.record(text, text)),
  /** What containers may claim; becomes the node's ResourceSlices. */
  devices: v.optional(
    v.array(
      v.object({
        driver: text,
        name: text,
        attributes: v.record(text, v.union([text, v.number(), v.boolean()])),
      }),
    ),
  ),
  /** The largest images; absent while they are not known. */
  images: v.optional(
    v.pipe(
      v.array(v.object({ names: v.array(text), sizeBytes: v.number() })),
      v.maxLength(reportedImagesMax),
    ),
  ),
});
export type NodeReport = v.InferOutput<typeof nodeReport>;

export const hello = defineTopic({
  name: 'hello',
  pattern: 'nodes/{node}/up/hello',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object({
    /** '' when the device holds no desired set yet, or does not trust the one it holds. */
    epoch: text,
    revision,
    hash: digest,
    /** Counts the agent's starts on this device; orders statuses together with `seq`. */
    boot: counter,
    /** Counts this start's hellos; the answer names it. */
    count: counter,
    connection: counter,
    bootId: text,
    clockTrusted: v.boolean(),
    agentVersion: text,
    /** Of the node report as it stands, so that the server asks for it only when it differs from what it has. */
    reportDigest: v.optional(digest),
  }),
});

export const index = defineTopic({
  name: 'index',
  pattern: 'nodes/{node}/up/index',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object({
    /** The `ask` this answers. */
    request: text,
    /** Names the state that `entries` describes; spent when the state changes. */
    nonce: text,
    entries: v.array(v.tuple([entryKey, digest])),
  }),
});

const podReport = v.object({
  uid: text,
  namespace: text,
  name: text,
  /** Kubernetes PodStatus; absent in a refusal or a removal. */
  status: v.optional(object),
  /** The device will not run this pod; it never started anything of it. */
  refused: v.optional(v.object({ reason: text, message: text })),
  /** Torn down for good: nothing of the pod is left on the device. */
  removed: v.optional(v.boolean()),
});
export type PodReport = v.InferOutput<typeof podReport>;

/** Something a person should see in `kubectl describe`, of a pod or, without a uid, of the node. Lost when there are too many; nothing depends on one. */
const podEvent = v.object({
  uid: text,
  type: v.picklist(['Normal', 'Warning']),
  /** As the kubelet's: Pulling, Pulled, Created, Started, Killing, BackOff, Failed, Unhealthy, … */
  reason: text,
  message: text,
});
export type PodEvent = v.InferOutput<typeof podEvent>;

export const status = defineTopic({
  name: 'status',
  pattern: 'nodes/{node}/up/status',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object({
    /** As the server's answer to hello gave it: a status meant for another run of the server does not count. */
    session: text,
    boot: counter,
    seq: counter,
    pods: v.array(podReport),
    report: v.optional(nodeReport),
    events: v.optional(v.array(podEvent)),
  }),
});

export const digestTopic = defineTopic({
  name: 'digest',
  pattern: 'nodes/{node}/up/digest',
  way: 'up',
  qos: 0,
  connection: 'control',
  schema: v.object({ epoch: text, revision, hash: digest, load: v.optional(v.number()) }),
});

export const gone = defineTopic({
  name: 'gone',
  pattern: 'nodes/{node}/up/gone',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object({ connection: counter }),
});

const put = v.object({ key: entryKey, digest, object });
/** Key: `Pod/<uid>`, `ConfigMap/<namespace>/<name>`, `Secret/<namespace>/<name>`. */
export type SetEntry = v.InferOutput<typeof put>;

export const set = defineTopic({
  name: 'set',
  pattern: 'nodes/{node}/down/set',
  way: 'down',
  qos: 1,
  connection: 'control',
  essential: true,
  schema: v.variant('type', [
    v.object({
      type: v.literal('delta'),
      session: text,
      epoch: text,
      /** The revision the device must be at or above (a cumulative delta may overlap what it has). */
      from: revision,
      to: revision,
      hash: digest,
      put: v.array(put),
      del: v.array(entryKey),
    }),
    v.object({
      type: v.literal('snapshot'),
      session: text,
      epoch: text,
      /** Of the `index` this is the difference to. */
      nonce: text,
      to: revision,
      hash: digest,
      put: v.array(put),
      del: v.array(entryKey),
    }),
  ]),
});

export const ask = defineTopic({
  name: 'ask',
  pattern: 'nodes/{node}/down/ask',
  way: 'down',
  qos: 1,
  connection: 'control',
  essential: true,
  schema: v.object({ request: text }),
});

export const ack = defineTopic({
  name: 'ack',
  pattern: 'nodes/{node}/down/ack',
  way: 'down',
  qos: 1,
  connection: 'control',
  essential: true,
  schema: v.variant('type', [
    /** Answers a hello. */
    v.object({
      type: v.literal('hello'),
      boot: counter,
      count: counter,
      /** Names this run of the server. */
      session: text,
      /** The server wants the node report. */
      report: v.boolean(),
    }),
    /** The hello did not count: the server knows a later one. A device that lost its counter goes on above `floor`. */
    v.object({ type: v.literal('behind'), boot: counter, count: counter, floor: counter }),
    /** What this status message said is durable, or superseded. */
    v.object({ type: v.literal('status'), session: text, boot: counter, seq: counter }),
    /** The server does not know the device's session: say hello. */
    v.object({ type: v.literal('greet') }),
  ]),
});

export const roll = defineTopic({
  name: 'roll',
  pattern: 'all/roll',
  way: 'all',
  qos: 0,
  connection: 'control',
  essential: true,
  schema: v.object({ windowMs: counter }),
});
