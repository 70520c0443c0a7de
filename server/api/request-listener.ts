import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { StatusError } from '../../protocol/status.ts';
import { accessOf } from './access/access-request.ts';
import { identify } from './access/authenticator.ts';
import { refusal } from './access/authorizer.ts';
import { actingUser } from './access/impersonation.ts';
import type { User } from './access/user.ts';
import { apiLimits } from './api-limits.ts';
import type { AuditTrail } from './audit/audit-trail.ts';
import { dispatch } from './dispatch.ts';
import type { ApiServices, Exchange } from './exchange.ts';
import { type RequestInfo, readRequestInfo } from './request/request-info.ts';
import type { OpenRequest } from './request-metrics.ts';
import { type PartialExchange, sendError } from './response/answer.ts';
import { asStatusError } from './response/errors.ts';

export interface RequestListenerOptions {
  services: ApiServices;
}

/** The way of every request: who is it, what does it want, may it, then the handler; failures become a Status. */
export class RequestListener {
  readonly #options: RequestListenerOptions;
  readonly #open = new Map<AbortController, OpenRequest>();

  constructor(options: RequestListenerOptions) {
    this.#options = options;
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    void this.#run(request, response, undefined);
  }

  /** A request that wants to go on as a WebSocket. Until it is accepted it may be refused like any other. */
  answerUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.end());
    socket.on('error', () => socket.destroy());
    void this.#run(request, response, { socket, head });
  }

  /** The requests under way; `long` are those that run on: watches, followed logs, sessions. */
  *openRequests(): Generator<{ request: OpenRequest; long: boolean }> {
    const { longRunning } = this.#options.services;
    for (const [abort, request] of this.#open) yield { request, long: longRunning.has(abort) };
  }

  /** Ends what would run on: watches, followed logs, sessions. */
  endLongRunning(): void {
    for (const abort of this.#options.services.longRunning) abort.abort();
  }

  #openRequest({ method = '', headers }: IncomingMessage, query: URLSearchParams): OpenRequest {
    const sinceMs = this.#options.services.clock.monotonic();
    const applies = headers['content-type']?.startsWith('application/apply-patch') ?? false;
    return { method, sinceMs, applies, dryRun: query.get('dryRun') === 'All' };
  }

  async #run(
    request: IncomingMessage,
    response: ServerResponse,
    upgrade: Exchange['upgrade'],
  ): Promise<void> {
    const { services } = this.#options;
    const { target, query } = splitTarget(request.url ?? '');
    const abort = new AbortController();
    const open = this.#openRequest(request, query);
    this.#open.set(abort, open);
    const onGone = () => {
      if (!this.#open.delete(abort)) return;
      abort.abort(clientGone);
      services.metrics.ended(open, response.statusCode, services.clock.monotonic());
      open.audit?.completed(upgrade && !response.headersSent ? 101 : response.statusCode);
    };
    response.once('close', onGone);
    upgrade?.socket.once('close', onGone);
    response.on('error', () => {});
    if (services.stopping.aborted) response.shouldKeepAlive = false;
    try {
      if (this.#open.size - services.longRunning.size > apiLimits.requestsInFlightMax)
        throw tooManyRequests();
      await this.#handle(
        { request, response, query, abort, services, ...(upgrade ? { upgrade } : {}) },
        target,
        open,
      );
    } catch (error) {
      await this.#refuse({ request, response, query, ...(open.audit ? { audit: open.audit } : {}) }, error);
    }
  }

  async #handle(exchange: Omit<Exchange, 'user' | 'info'>, path: string, open: OpenRequest): Promise<void> {
    const { access, auditor } = this.#options.services;
    const { authorize } = access;
    const { request, query } = exchange;
    const sender = await identify(access, request, path).catch((error: unknown) => {
      if (auditor) this.#auditStranger(exchange, open, path);
      throw error;
    });
    const info = readRequestInfo(request.method ?? '', path, query);
    open.info = info;
    const audit = auditor && this.#beginAudit(exchange, open, { user: sender, info });
    const user = await actingUser(authorize, sender, request);
    audit?.actsAs(user);
    const wanted = accessOf(info, query);
    const decision = await authorize(user, wanted);
    audit?.decided(decision);
    if (!decision.allowed) throw refusal(user, wanted, decision);
    await dispatch({ ...exchange, user, info, ...(audit ? { audit } : {}) });
  }

  /** A path that cannot be read is refused like the credential, and nothing more is said of it. */
  #auditStranger(exchange: Omit<Exchange, 'user' | 'info'>, open: OpenRequest, path: string): void {
    try {
      const info = readRequestInfo(exchange.request.method ?? '', path, exchange.query);
      this.#beginAudit(exchange, open, { user: nobody, info });
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
    }
  }

  #beginAudit(
    { request, response, services }: Pick<Exchange, 'request' | 'response' | 'services'>,
    open: OpenRequest,
    subject: { user: User; info: RequestInfo },
  ): AuditTrail | undefined {
    const audit = services.auditor?.begin(request, subject);
    if (!audit) return undefined;
    open.audit = audit;
    response.setHeader('Audit-ID', audit.id);
    audit.received();
    return audit;
  }

  async #refuse(exchange: PartialExchange, error: unknown): Promise<void> {
    const { response, audit } = exchange;
    const { services } = this.#options;
    const status = asStatusError(error, { services });
    if (error instanceof StatusError) audit?.failed(error);
    else audit?.panicked(status);
    if (response.destroyed) return;
    if (response.headersSent) {
      services.log.warn('answer broke off', { error });
      response.destroy();
      return;
    }
    for (const name of ['Content-Encoding', 'ETag', 'Cache-Control']) response.removeHeader(name);
    await sendError(exchange, status);
  }
}

/** Who sent a request with a credential that does not hold. */
const nobody: User = { name: '', groups: [] };

/** Without a reason of ours each abort makes an exception with a stack: the costliest step of answering a read. */
const clientGone = new Error('the client is gone');

function splitTarget(url: string): { target: string; query: URLSearchParams } {
  const at = url.indexOf('?');
  if (at < 0) return { target: url, query: new URLSearchParams() };
  return { target: url.slice(0, at), query: new URLSearchParams(url.slice(at + 1)) };
}

function tooManyRequests(): StatusError {
  return new StatusError('TooManyRequests', 'too many requests, please try again later', {
    details: { retryAfterSeconds: 1 },
  });
}
