import * as v from 'valibot';
import { limits } from '../limits.ts';
import { defineTopic } from './define-topic.ts';

/**
 * Logs, exec, connections into pods and what else flows: opened by the server on the control connection, carried on a second connection that
 * the device makes on demand, so that bulk never stands in front of control traffic. Frames go at QoS 0: within one
 * connection nothing is lost or reordered, and a connection that breaks ends its streams.
 */
const text = v.pipe(v.string(), v.maxLength(limits.streamErrorCharactersMax));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const logsRequest = v.object({
  type: v.literal('logs'),
  podUid: text,
  container: text,
  follow: v.boolean(),
  previous: v.boolean(),
  tailLines: v.optional(count),
  limitBytes: v.optional(count),
  sinceSeconds: v.optional(count),
  /** By the device's clock, which also stamps the lines. */
  sinceMs: v.optional(v.pipe(v.number(), v.safeInteger())),
  timestamps: v.boolean(),
  /** Absent: both, in their order. */
  stream: v.optional(v.picklist(['stdout', 'stderr'])),
});

const execRequest = v.object({
  type: v.literal('exec'),
  podUid: text,
  container: text,
  command: v.pipe(v.array(v.string()), v.minLength(1)),
  stdin: v.boolean(),
  tty: v.boolean(),
});

/** A connection to what the container runs already. */
const attachRequest = v.object({
  type: v.literal('attach'),
  podUid: text,
  container: text,
  stdin: v.boolean(),
  tty: v.boolean(),
});

/** One TCP connection to a port of a pod: to what listens on its loopback, or only to what others could reach. */
const portRequest = v.object({
  type: v.literal('port'),
  podUid: text,
  port: v.pipe(count, v.minValue(1), v.maxValue(65_535)),
  to: v.picklist(['loopback', 'address']),
});

/** Something that the device tells about itself, by a path as in `nodes/<name>/proxy/<path>`. */
const endpointRequest = v.object({
  type: v.literal('endpoint'),
  /** With its leading slash, without a query. */
  path: text,
  /** Without its question mark. */
  query: text,
});

export const streamRequest = v.variant('type', [
  logsRequest,
  execRequest,
  attachRequest,
  portRequest,
  endpointRequest,
]);
export type StreamRequest = v.InferOutput<typeof streamRequest>;
export type LogsRequest = v.InferOutput<typeof logsRequest>;
export type ExecRequest = v.InferOutput<typeof execRequest>;
export type AttachRequest = v.InferOutput<typeof attachRequest>;
export type PortRequest = v.InferOutput<typeof portRequest>;
export type EndpointRequest = v.InferOutput<typeof endpointRequest>;

export const open = defineTopic({
  name: 'open',
  pattern: 'nodes/{node}/down/open',
  way: 'down',
  qos: 1,
  connection: 'control',
  schema: v.object({ id: text, request: streamRequest }),
});

/** What was asked for cannot be, or the pod is not here (yet); without a code it may work another time. */
const streamFailure = v.picklist(['badRequest', 'notFound']);
export type StreamFailure = v.InferOutput<typeof streamFailure>;
const failure = { error: v.optional(text), code: v.optional(streamFailure) };

function isFrameData(value: unknown): boolean {
  return value instanceof Uint8Array && value.length <= limits.streamFrameBytesMax;
}

const frame = v.variant('type', [
  /** The device is ready to take frames. `status` (of HTTP) and `contentType` for an endpoint's answer. */
  v.object({ type: v.literal('ready'), status: v.optional(count), contentType: v.optional(text) }),
  v.object({
    type: v.literal('data'),
    channel: v.picklist(['stdin', 'stdout', 'stderr']),
    data: v.custom<Uint8Array>(isFrameData),
  }),
  /** The other side may send this many further bytes. */
  v.object({ type: v.literal('credit'), bytes: count }),
  /** Said where nothing else was for a while, so that each side knows of the other. */
  v.object({ type: v.literal('alive') }),
  v.object({ type: v.literal('resize'), columns: count, rows: count }),
  /** The sender has no more data; the other direction goes on. */
  v.object({ type: v.literal('end') }),
  /** The last frame of either side. `exitCode` for an exec that ran to its end, `error` for anything that failed. */
  v.object({ type: v.literal('close'), exitCode: v.optional(v.number()), ...failure }),
]);
export type StreamFrame = v.InferOutput<typeof frame>;

export const streamDown = defineTopic({
  name: 'streamDown',
  pattern: 'nodes/{node}/down/stream/{id}',
  way: 'down',
  qos: 0,
  connection: 'stream',
  essential: true,
  schema: frame,
});

export const streamUp = defineTopic({
  name: 'streamUp',
  pattern: 'nodes/{node}/up/stream/{id}',
  way: 'up',
  qos: 0,
  connection: 'stream',
  schema: frame,
});

/**
 * The device ends a stream, or could not begin it, and has no stream connection to say so: that broke, or cannot be
 * made.
 */
export const streamClosed = defineTopic({
  name: 'streamClosed',
  pattern: 'nodes/{node}/up/closed/{id}',
  way: 'up',
  qos: 1,
  connection: 'control',
  schema: v.object({ ...failure, error: text }),
});
