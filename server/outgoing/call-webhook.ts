import { isObject, type JsonObject, refuseHostileValue } from '../../protocol/patch/json-value.ts';
import { HttpsCallError, type HttpsTarget } from './https-client.ts';
import type { Outgoing } from './outgoing.ts';
import { ServiceAddressError } from './service-address.ts';

/** As webhook configurations and definitions name who is to be asked: a Service or a URL. */
export interface WebhookClient {
  url?: string;
  service?: { namespace: string; name: string; path?: string; port?: number };
  caBundle?: string;
}

export interface WebhookCall {
  client: WebhookClient;
  /** The review, which is sent as JSON. */
  review: object;
  timeoutMs: number;
  /** `timeout=10s`, for who wants to know how long we wait. */
  query?: string;
}

const answerBytesMax = 16 * 1024 * 1024;

/** The JSON object that a webhook answers with. Throws HttpsCallError, in the words of Kubernetes. */
export async function callWebhook(
  outgoing: Outgoing,
  { client, review, timeoutMs, query }: WebhookCall,
): Promise<JsonObject> {
  const url = urlOf(client, query);
  const { status, body } = await outgoing.client.call({
    target: targetOf(outgoing, client, url),
    method: 'POST',
    url,
    headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
    body: Buffer.from(JSON.stringify(review)),
    timeoutMs,
    answerBytesMax,
  });
  if (status < 200 || status > 299) throw new HttpsCallError('BadAnswer', statusWords(status, body));
  return parse(body);
}

function urlOf({ url, service }: WebhookClient, query: string | undefined): string {
  const { namespace = '', name = '', path = '', port = 443 } = service ?? {};
  const root = `https://${name}.${namespace}.svc:${port}`;
  const base = new URL(service ? root : (url ?? ''));
  if (service) base.pathname = path;
  if (query !== undefined) base.search = base.search === '' ? query : `${base.search}&${query}`;
  // The port of a Service is told even where it is the usual one.
  return service ? `${root}${base.pathname}${base.search}` : base.href;
}

function targetOf({ addresses }: Outgoing, { service, caBundle }: WebhookClient, url: string): HttpsTarget {
  if (!service) {
    const { hostname, port } = new URL(url);
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    return { host, port: Number(port || 443), serverName: host, caBundle };
  }
  const { namespace, name, port = 443 } = service;
  try {
    return { ...addresses({ namespace, name, port }), caBundle };
  } catch (error) {
    if (!(error instanceof ServiceAddressError)) throw error;
    throw new HttpsCallError(
      'Unreachable',
      `Post ${JSON.stringify(url)}: ${serviceWords(error, service)}`,
      error,
    );
  }
}

/** Source: k8s.io/apiserver/pkg/util/proxy, ResolveEndpoint. */
function serviceWords(
  { code }: ServiceAddressError,
  { name, port = 443 }: { name: string; port?: number },
): string {
  switch (code) {
    case 'ServiceNotFound':
      return `service "${name}" not found`;
    case 'ServicePortError':
      return `no service port ${port} found for service "${name}"`;
    case 'EndpointsNotFound':
      return `endpoints "${name}" not found`;
    case 'MissingEndpoints':
      return `no endpoints available for service "${name}"`;
    default:
      return code satisfies never;
  }
}

const shownBytes = 2048;

/** Source: k8s.io/apimachinery/pkg/api/errors, NewGenericServerResponse. */
function statusWords(status: number, body: Buffer): string {
  if (status === 404) return 'the server could not find the requested resource';
  if (status >= 500)
    return `an error on the server (${JSON.stringify(body.toString('utf8', 0, shownBytes).trim())}) has prevented the request from succeeding`;
  return `the server responded with the status code ${status} but did not return more details`;
}

function parse(body: Buffer): JsonObject {
  try {
    const value: unknown = JSON.parse(body.toString());
    refuseHostileValue(value);
    if (isObject(value)) return value;
  } catch (error) {
    throw new HttpsCallError('BadAnswer', 'the response cannot be read as JSON', error);
  }
  throw new HttpsCallError('BadAnswer', 'the response is no JSON object');
}
