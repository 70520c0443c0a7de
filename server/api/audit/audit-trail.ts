import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../../../lib/clock.ts';
import type { Status, StatusError } from '../../../protocol/status.ts';
import { userInfo } from '../access/reviews/who-am-i.ts';
import type { User } from '../access/user.ts';
import type { RequestBody } from '../request/request-body.ts';
import type { RequestInfo } from '../request/request-info.ts';
import type { AuditDecision, AuditStage } from './audit-policy.ts';
import { type BodyDecoder, plainBody, withoutManagedFields } from './bodies.ts';

/** What of a request's connection is noted. */
export interface AuditedConnection {
  url?: string | undefined;
  headers: IncomingHttpHeaders;
  socket: { remoteAddress?: string | undefined };
}

export interface AuditTrailOptions {
  id: string;
  decision: AuditDecision;
  connection: AuditedConnection;
  user: User;
  info: RequestInfo;
  sink: { write(line: string): void };
  clock: Clock;
}

/** Bodies of a larger event are left out, and an annotation says so. */
const eventBytesMax = 1024 * 1024;
const truncatedAnnotation = { 'audit.k8s.io/truncated': 'true' };
/** These hold credentials: their bodies are never noted, whatever the policy says. */
const secretive = new Set(['serviceaccounts/token', 'tokenreviews']);

/** The notes of one request, written as events at its stages (source: audit.k8s.io/v1, Event). */
export class AuditTrail {
  readonly id: string;
  readonly #options: AuditTrailOptions;
  readonly #received: string;
  readonly #annotations: Record<string, string> = {};
  #actingUser: User | undefined;
  #body: RequestBody | undefined;
  #decode: BodyDecoder = plainBody;
  #response: unknown;
  #status: Status | undefined;
  #code: number | undefined;
  #objectName: string | undefined;

  constructor(options: AuditTrailOptions) {
    this.id = options.id;
    this.#options = options;
    this.#received = microTime(options.clock);
  }

  /** The first value of a key counts. For admission plugins and the like; keys are domain-prefixed paths. */
  annotate(key: string, value: string): void {
    this.#annotations[key] ??= value;
  }

  received(): void {
    this.#emit('RequestReceived');
  }

  actsAs(user: User): void {
    if (user !== this.#options.user) this.#actingUser = user;
  }

  decided({ allowed, reason = '' }: { allowed: boolean; reason?: string }): void {
    this.annotate('authorization.k8s.io/decision', allowed ? 'allow' : 'forbid');
    this.annotate('authorization.k8s.io/reason', reason);
  }

  /** The body as it was sent; it is decoded only when an event with bodies is written. */
  sent(body: RequestBody): void {
    if (this.#takesBodies('Request')) this.#body = body;
  }

  /** How bodies of the request's kind are read where they say nothing of it themselves. */
  decodesBy(decode: BodyDecoder): void {
    this.#decode = decode;
  }

  get wantsResponse(): boolean {
    return this.#takesBodies('RequestResponse');
  }

  /** What is answered. */
  answered(value: unknown): void {
    this.#objectName ??= nameOf(value);
    if (this.wantsResponse) this.#response = value;
  }

  /** The answer is too large to be noted. */
  leavesOutResponse(): void {
    Object.assign(this.#annotations, truncatedAnnotation);
  }

  /** An answer that runs on for long has begun. */
  started(code: number): void {
    this.#code = code;
    this.#emit('ResponseStarted');
  }

  failed(error: StatusError): void {
    this.#status = error.toStatus();
  }

  /** The server's own fault, and not one that is foreseen. */
  panicked(error: StatusError): void {
    this.failed(error);
    this.#code = error.code;
    this.#emit('Panic');
  }

  completed(code: number): void {
    this.#code = code;
    this.#emit('ResponseComplete');
  }

  #takesBodies(least: 'Request' | 'RequestResponse'): boolean {
    const { decision, info } = this.#options;
    if (info.type !== 'resource') return false;
    const { resource, subresource } = info;
    if (secretive.has(subresource === undefined ? resource : `${resource}/${subresource}`)) return false;
    return decision.level === 'RequestResponse' || decision.level === least;
  }

  #emit(stage: AuditStage): void {
    const { decision, sink } = this.#options;
    if (decision.omitStages.has(stage)) return;
    const event = this.#event(stage);
    const bodies = stage === 'RequestReceived' ? {} : this.#bodies(stage);
    const line = JSON.stringify({ ...event, ...bodies });
    if (line.length <= eventBytesMax) return sink.write(line);
    const annotations = { ...event.annotations, ...truncatedAnnotation };
    sink.write(JSON.stringify({ ...event, annotations }));
  }

  #event(stage: AuditStage) {
    const { decision, connection, user, info, clock } = this.#options;
    const annotations = { ...this.#annotations };
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: decision.level,
      auditID: this.id,
      stage,
      requestURI: connection.url ?? '',
      verb: info.verb,
      user: userInfo(user),
      ...(this.#actingUser ? { impersonatedUser: userInfo(this.#actingUser) } : {}),
      sourceIPs: [(connection.socket.remoteAddress ?? '').replace(/^::ffff:/, '')],
      ...userAgentOf(connection),
      ...this.#objectReference(),
      ...this.#responseStatus(),
      requestReceivedTimestamp: this.#received,
      stageTimestamp: stage === 'RequestReceived' ? this.#received : microTime(clock),
      ...(Object.keys(annotations).length > 0 ? { annotations } : {}),
    };
  }

  #objectReference(): object {
    const { info } = this.#options;
    if (info.type !== 'resource') return {};
    const { resource, namespace, group, version, subresource } = info;
    const name = info.name ?? this.#objectName;
    return {
      objectRef: {
        resource,
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name }),
        ...(group === '' ? {} : { apiGroup: group }),
        apiVersion: version,
        ...(subresource === undefined ? {} : { subresource }),
      },
    };
  }

  #responseStatus(): object {
    if (this.#code === undefined) return {};
    const { status, message, reason } = this.#status ?? {};
    return { responseStatus: { metadata: {}, status, message, reason, code: this.#code } };
  }

  #bodies(stage: AuditStage): object {
    const { omitManagedFields } = this.#options.decision;
    const trim = omitManagedFields ? withoutManagedFields : (value: unknown) => value;
    const requestObject = this.#body && this.#decode(this.#body);
    const responseObject = stage === 'ResponseComplete' ? this.#response : undefined;
    return {
      ...(requestObject === undefined ? {} : { requestObject: trim(requestObject) }),
      ...(responseObject === undefined ? {} : { responseObject: trim(responseObject) }),
    };
  }
}

function userAgentOf({ headers }: AuditedConnection): { userAgent?: string } {
  const userAgent = headers['user-agent'];
  return userAgent === undefined ? {} : { userAgent };
}

/** Of a created object whose name was made up. */
function nameOf(value: unknown): string | undefined {
  const name = (value as { metadata?: { name?: unknown } } | undefined)?.metadata?.name;
  return typeof name === 'string' ? name : undefined;
}

function microTime(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace('Z', '000Z');
}
