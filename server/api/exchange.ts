import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import type { KindDefinition } from '../../protocol/kinds/define-kind.ts';
import type { FieldSchemaOf } from '../../protocol/patch/field-schema.ts';
import type { ProtobufDecoder } from '../../protocol/protobuf/decode-protobuf.ts';
import type { ObjectDecoder } from '../../protocol/schema/decode-object.ts';
import type { AggregatedApis } from '../aggregation/aggregated-apis.ts';
import type { FleetUsage } from '../nodes/fleet-usage.ts';
import type { PodStreams } from '../nodes/pod-streams.ts';
import type { Admission } from '../registry/admission.ts';
import type { Registry } from '../registry/registry.ts';
import type { ApiAccess } from './access/access.ts';
import type { User } from './access/user.ts';
import type { AuditTrail } from './audit/audit-trail.ts';
import type { Auditor } from './audit/auditor.ts';
import type { Documents } from './discovery/documents.ts';
import type { HealthCheck } from './health.ts';
import type { KindIndex } from './kind-index.ts';
import type { RequestInfo, ResourceRequest } from './request/request-info.ts';
import type { RequestMetrics } from './request-metrics.ts';
import type { EncodedEvents } from './response/encoded-events.ts';
import type { VersionInfo } from './version.ts';

/** What every request handler may use. */
export interface ApiServices {
  registry: Registry;
  /** For what is asked for and not written: sessions, tokens. Writes are reviewed by the registry. */
  admission: Admission;
  kinds: KindIndex;
  /** What other servers answer for. */
  aggregated: AggregatedApis;
  access: ApiAccess;
  /** Absent where nobody wants an audit log: then it costs nothing. */
  auditor?: Auditor | undefined;
  podStreams: PodStreams;
  usage: FleetUsage;
  clock: Clock;
  random: Random;
  log: Logger;
  version: VersionInfo;
  checks: readonly HealthCheck[];
  metrics: RequestMetrics;
  /** What `/metrics` answers. */
  metricsText(): Promise<string>;
  encodedEvents: EncodedEvents;
  documents: Documents;
  /** Reads parsed bodies as what their kind's schema says. */
  decoder: ObjectDecoder;
  /** Turns bodies in protobuf into what a JSON client would have sent. */
  protobuf: ProtobufDecoder;
  /** How fields are owned, by the name of the schema. */
  fieldSchemaOf: FieldSchemaOf;
  /** Exchanges that would run on for long (watches, followed logs, exec): the server aborts them when it stops. */
  longRunning: Set<AbortController>;
  /** Aborts when the server begins to stop. */
  stopping: AbortSignal;
}

/** One authenticated, authorised request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly info: RequestInfo;
  readonly query: URLSearchParams;
  readonly user: User;
  /** Aborts when the client is gone, or the server stops and this runs long. Writes under way do not look at it. */
  readonly abort: AbortController;
  readonly services: ApiServices;
  /** Present when the request is noted in the audit log; plugins add to it with `annotate`. */
  readonly audit?: AuditTrail;
  /** Present when the client asked to go on with another protocol on this connection. */
  readonly upgrade?: { socket: Socket; head: Buffer };
}

/** A request for a kind that is served. */
export interface ResourceExchange extends Exchange {
  readonly info: ResourceRequest;
  readonly kind: KindDefinition;
}

/** Answers a request; what it throws is answered as a Status. */
export type ResourceHandler = (exchange: ResourceExchange) => Promise<void> | void;

/** The name in the path, where the route guarantees one. */
export function objectName({ info, kind }: ResourceExchange): { namespace?: string; name: string } {
  const { name = '', namespace } = info;
  return kind.namespaced && namespace !== undefined ? { namespace, name } : { name };
}
