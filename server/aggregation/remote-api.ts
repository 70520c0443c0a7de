import { createHash } from 'node:crypto';
import type { APIService } from '../../protocol/generated/models.ts';
import { type HttpsAnswer, HttpsCallError, type HttpsTarget } from '../outgoing/https-client.ts';
import type { Outgoing } from '../outgoing/outgoing.ts';
import { ServiceAddressError } from '../outgoing/service-address.ts';
import {
  type AggregatedApi,
  type AggregatedOpenApi,
  type AskingUser,
  type ListedResource,
  type OpenApiPart,
  type OwnQuestion,
  type PassedRequest,
  userHeaders,
} from './aggregated-apis.ts';

export interface RemoteApiContext {
  outgoing: Outgoing;
  /** PEM; by it an extension server knows that the user's name in a header may be believed. */
  certificate: { key: string; certificate: string };
  suspect: (name: string) => void;
}

/** What a look at an extension server found, in the words of its condition. */
export interface Finding {
  available: boolean;
  reason: string;
  message: string;
}

const checkTimeoutMs = 5_000;
const discoveryBytesMax = 4 * 1024 * 1024;
const openApiTimeoutMs = 20_000;
const openApiBytesMax = 16 * 1024 * 1024;
const openApiEveryMs = 60_000;
const askBounds = { timeoutMs: 10_000, answerBytesMax: 16 * 1024 * 1024 };

/** One group version that another server answers for, and what that server last said of it. */
export class RemoteApi implements AggregatedApi {
  readonly group: string;
  readonly version: string;
  readonly #context: RemoteApiContext;
  #service: Readonly<APIService>;
  available: boolean;
  resources: readonly ListedResource[] = [];
  openApi: AggregatedOpenApi = { v2: undefined, v3Hash: undefined };
  #openApiAtMs: number | undefined;
  #openApiTag: string | undefined;

  constructor(service: Readonly<APIService>, context: RemoteApiContext) {
    const { group = '', version = '' } = service.spec ?? {};
    this.group = group;
    this.version = version;
    this.#context = context;
    this.#service = service;
    this.available =
      service.status?.conditions?.some(({ type, status }) => type === 'Available' && status === 'True') ??
      false;
  }

  get priorities(): readonly [number, number] {
    const { groupPriorityMinimum = 0, versionPriority = 0 } = this.#service.spec ?? {};
    return [groupPriorityMinimum, versionPriority];
  }

  /** The same group version, as its APIService says it now. */
  update(service: Readonly<APIService>): void {
    this.#service = service;
  }

  open(request: PassedRequest) {
    return this.#context.outgoing.client.open(this.#target(), request);
  }

  async ask({ method, path, user, accept = 'application/json', body }: OwnQuestion): Promise<HttpsAnswer> {
    const target = this.#target();
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    return this.#context.outgoing.client.call({
      target,
      method,
      url: urlOf(target, path),
      headers: { Accept: accept, ...userHeaders(user), ...(body ? { 'Content-Type': type } : {}) },
      ...(body ? { body: Buffer.from(JSON.stringify(body)) } : {}),
      ...askBounds,
    });
  }

  suspect(): void {
    this.#context.suspect(this.#service.metadata?.name ?? '');
  }

  /** Asks the server for its discovery; what it says is remembered. */
  async check(): Promise<Finding> {
    const path = `/apis/${this.group}/${this.version}`;
    let url = path;
    try {
      const target = this.#target();
      url = urlOf(target, path);
      const answer = await this.#get(target, path, {
        timeoutMs: checkTimeoutMs,
        answerBytesMax: discoveryBytesMax,
      });
      if (answer.status < 200 || answer.status > 299)
        throw new HttpsCallError('Unreachable', `bad status from ${url}: ${answer.status}`);
      this.resources = listedResources(answer.body);
      return { available: true, reason: 'Passed', message: 'all checks passed' };
    } catch (error) {
      if (error instanceof ServiceAddressError)
        return { available: false, reason: error.code, message: error.message };
      if (!(error instanceof HttpsCallError)) throw error;
      const message = `failing or missing response from ${url}: ${error.message}`;
      return { available: false, reason: 'FailedDiscoveryCheck', message };
    }
  }

  /** Asks for the OpenAPI documents when they were last asked for long ago; true: they are others than before. */
  async refreshOpenApi(nowMs: number): Promise<boolean> {
    if (this.#openApiAtMs !== undefined && nowMs - this.#openApiAtMs < openApiEveryMs) return false;
    this.#openApiAtMs = nowMs;
    const before = this.openApi;
    const target = this.#target();
    const v3Hash = await this.#readV3Hash(target);
    const v2 = await this.#readV2(target);
    this.openApi = { v2, v3Hash };
    return v3Hash !== before.v3Hash || v2 !== before.v2;
  }

  async #readV3Hash(target: HttpsTarget): Promise<string | undefined> {
    const answer = await this.#get(target, '/openapi/v3', openApiBounds);
    if (answer.status !== 200) return undefined;
    const { paths } = asObject(parse(answer.body));
    const entry = asObject(asObject(paths)[`apis/${this.group}/${this.version}`]);
    const url = entry.serverRelativeURL;
    if (typeof url !== 'string') return undefined;
    // A server that gives no hash has its documents fetched anew whenever this index is.
    const hash = /[?&]hash=([0-9A-Za-z]+)/.exec(url)?.[1];
    return hash ?? createHash('sha256').update(answer.body).digest('hex').toUpperCase();
  }

  async #readV2(target: HttpsTarget): Promise<OpenApiPart | undefined> {
    const headers = this.#openApiTag === undefined ? {} : { 'If-None-Match': this.#openApiTag };
    const answer = await this.#get(target, '/openapi/v2', { ...openApiBounds, headers });
    if (answer.status === 304) return this.openApi.v2;
    this.#openApiTag = answer.headers.etag;
    if (answer.status !== 200) return undefined;
    const { paths, definitions } = asObject(parse(answer.body));
    const prefix = `/apis/${this.group}/${this.version}`;
    const own = Object.entries(asObject(paths)).filter(
      ([path]) => path === prefix || path.startsWith(`${prefix}/`),
    );
    return { paths: Object.fromEntries(own), definitions: asObject(definitions) };
  }

  #target(): HttpsTarget {
    const { service, caBundle, insecureSkipTLSVerify } = this.#service.spec ?? {};
    const { namespace = '', name = '', port = 443 } = service ?? {};
    return {
      ...this.#context.outgoing.addresses({ namespace, name, port }),
      caBundle,
      insecure: insecureSkipTLSVerify,
      client: this.#context.certificate,
    };
  }

  #get(
    target: HttpsTarget,
    path: string,
    { headers, ...bounds }: { timeoutMs: number; answerBytesMax: number; headers?: HttpsHeaders },
  ): Promise<HttpsAnswer> {
    return this.#context.outgoing.client.call({
      target,
      method: 'GET',
      url: urlOf(target, path),
      headers: { Accept: 'application/json', ...userHeaders(aggregator), ...headers },
      ...bounds,
    });
  }
}

const openApiBounds = { timeoutMs: openApiTimeoutMs, answerBytesMax: openApiBytesMax };

/** As whom the server itself asks what the other one is. */
const aggregator: AskingUser = { name: 'system:kube-aggregator', groups: ['system:masters'] };

type HttpsHeaders = Record<string, string | readonly string[]>;

function urlOf({ host, port }: HttpsTarget, path: string): string {
  return `https://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}

/** Undefined for what is no JSON: that a server answers at all is what makes it available. */
function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function listedResources(body: Buffer): ListedResource[] {
  const { resources } = asObject(parse(body));
  if (!Array.isArray(resources)) return [];
  return resources.filter(
    (resource): resource is ListedResource => typeof asObject(resource).name === 'string',
  );
}
