import type { Duplex } from 'node:stream';
import type {
  AttachRequest,
  EndpointRequest,
  ExecRequest,
  LogsRequest,
  PortRequest,
} from '../../protocol/topics/streams.ts';

/** Streams to devices and into their pods, as the API sees them. Failures are `StatusError`s with a message for a person. */
export interface PodStreams {
  /** Throws ServiceUnavailable when the node cannot be asked for a stream now. */
  assertReachable(node: string): void;
  /** Log bytes as they come; ends at the end of the log, or with `signal` when following. */
  logs(node: string, request: LogsRequest, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Resolves once the device has accepted the session. */
  command(node: string, request: ExecRequest | AttachRequest, signal: AbortSignal): Promise<ExecSession>;
  /** A TCP connection to a port of a pod; resolves once it stands. Destroying it ends it on the device. */
  dial(node: string, request: PortRequest, signal: AbortSignal): Promise<Duplex>;
  /** What the device tells about itself (agent/streams/node-endpoints.ts). */
  endpoint(node: string, request: EndpointRequest, signal: AbortSignal): Promise<EndpointAnswer>;
}

export interface EndpointAnswer {
  /** Of HTTP. */
  status: number;
  contentType: string;
  /** Breaks off when the device does. */
  body: AsyncIterable<Uint8Array>;
}

export interface ExecSession {
  /** Resolves when the window has room again; the caller must wait (back-pressure). */
  write(data: Uint8Array): Promise<void>;
  endStdin(): void;
  resize(columns: number, rows: number): void;
  /** Output until the process ends. Reading slowly slows the process. */
  output(): AsyncIterable<{ channel: 'stdout' | 'stderr'; data: Uint8Array }>;
  /** Exit code of the process; rejects when the session broke. */
  readonly exit: Promise<number>;
}
