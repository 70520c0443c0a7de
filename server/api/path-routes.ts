import { contentType } from '../../lib/metrics.ts';
import { aggregatedApi } from './aggregation/aggregated-api.ts';
import { passRequest } from './aggregation/pass-request.ts';
import {
  aggregatedDiscovery,
  coreVersions,
  groupList,
  groupNames,
  oneGroup,
  ownGroupVersions,
  resourceList,
} from './discovery/discovery.ts';
import { sendDocument } from './discovery/documents.ts';
import { openApiV2 } from './discovery/openapi-v2.ts';
import { encodeOpenApiV2 } from './discovery/openapi-v2-protobuf.ts';
import { openApiIndex, openApiV3 } from './discovery/openapi-v3.ts';
import type { Exchange } from './exchange.ts';
import { sendHealth } from './health.ts';
import { serveOpenIdConfiguration, serveOpenIdKeys } from './openid.ts';
import { negotiate, notAcceptable, parseAccept } from './request/negotiation.ts';
import { methodNotAllowed, pathNotFound } from './request/request-info.ts';
import { sendPlain, sendText, sendValue } from './response/answer.ts';

/** Everything that is no object: discovery, OpenAPI, version and health. Throws NotFound and MethodNotAllowed. */
export async function servePath(exchange: Exchange): Promise<void> {
  const [root = '', ...rest] = exchange.info.path
    .split('/')
    .slice(1)
    .filter((part) => part !== '');
  const serve = Object.hasOwn(routes, root) ? routes[root] : undefined;
  if (!serve) throw pathNotFound();
  const { method } = exchange.request;
  if (method !== 'GET' && method !== 'HEAD') throw methodNotAllowed();
  await serve(exchange, rest);
}

type Route = (exchange: Exchange, rest: readonly string[]) => Promise<void>;

const routes: Readonly<Record<string, Route>> = {
  '': (exchange) => sendPlain(exchange, 200, { paths: allPaths(exchange) }),
  api: (exchange, rest) => serveDiscovery(exchange, 'api', rest),
  apis: (exchange, rest) => serveDiscovery(exchange, 'apis', rest),
  '.well-known': serveOpenIdConfiguration,
  openapi: serveOpenApi,
  openid: serveOpenIdKeys,
  version: (exchange, rest) => {
    if (rest.length > 0) throw pathNotFound();
    return sendValue(exchange, 200, exchange.services.version, { format: 'json' });
  },
  metrics: async (exchange, rest) => {
    if (rest.length > 0) throw pathNotFound();
    sendText(exchange, 200, await exchange.services.metricsText(), contentType);
  },
  livez: (exchange, rest) => serveHealth(exchange, 'livez', rest),
  readyz: (exchange, rest) => serveHealth(exchange, 'readyz', rest),
  healthz: (exchange, rest) => serveHealth(exchange, 'healthz', rest),
};

function allPaths({ services }: Exchange): string[] {
  const groups = groupNames(services).map((name) => `/apis/${name}`);
  const named = Object.keys(routes).map((name) => `/${name}`);
  const own = ownGroupVersions(services).map(({ path }) => `/${path}`);
  const passed = services.aggregated.list().map(({ group, version }) => `/apis/${group}/${version}`);
  const paths = [...named, ...groups, ...own, ...passed];
  return [
    ...paths.filter((path) => !['/', '/.well-known', '/openapi', '/openid'].includes(path)),
    '/.well-known/openid-configuration',
    '/openid/v1/jwks',
    '/openapi/v2',
    '/openapi/v3',
  ].sort();
}

async function serveHealth(
  exchange: Exchange,
  endpoint: 'livez' | 'readyz' | 'healthz',
  [only, ...more]: readonly string[],
): Promise<void> {
  if (more.length > 0 || !(await sendHealth(exchange, endpoint, only))) throw pathNotFound();
}

async function serveDiscovery(
  exchange: Exchange,
  root: 'api' | 'apis',
  rest: readonly string[],
): Promise<void> {
  const { kinds, documents } = exchange.services;
  const path = [root, ...rest].join('/');
  if (rest.length === 0) return serveDiscoveryRoot(exchange, root);
  negotiate(exchange.request.headers.accept, { transforms: false });
  const groupVersion = kinds.groupVersions.find((candidate) => candidate.path === path);
  if (groupVersion)
    return sendDocument(
      exchange,
      documents.get(path, () => resourceList(groupVersion)),
    );
  const [group = ''] = rest;
  const found = root === 'apis' && rest.length === 1 ? oneGroup(exchange.services, group) : undefined;
  if (!found) throw pathNotFound();
  await sendDocument(
    exchange,
    documents.get(path, () => found),
  );
}

async function serveDiscoveryRoot(exchange: Exchange, root: 'api' | 'apis'): Promise<void> {
  const { services } = exchange;
  const { kinds, documents } = services;
  const version = aggregatedVersion(exchange.request.headers.accept);
  if (version !== undefined) {
    const apiVersion = `apidiscovery.k8s.io/${version}`;
    const document = documents.get(`${root} ${version}`, () =>
      aggregatedDiscovery(services, root, apiVersion),
    );
    const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    return sendDocument(exchange, document, { contentType });
  }
  if (root === 'api') {
    const { localAddress, localPort } = exchange.request.socket;
    return sendPlain(exchange, 200, coreVersions(kinds, `${localAddress ?? ''}:${localPort ?? ''}`));
  }
  await sendDocument(
    exchange,
    documents.get(root, () => groupList(services)),
  );
}

/** The version of aggregated discovery that the client likes best, if it likes one better than the plain form. */
function aggregatedVersion(accept: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== 'application/json' && type !== '*/*') continue;
    if (parameters.as === undefined) return undefined;
    const { as, g, v } = parameters;
    if (as === 'APIGroupDiscoveryList' && g === 'apidiscovery.k8s.io' && (v === 'v2' || v === 'v2beta1'))
      return v;
  }
  return undefined;
}

async function serveOpenApi(exchange: Exchange, [version, ...rest]: readonly string[]): Promise<void> {
  const { services, request, query } = exchange;
  if (version === 'v2' && rest.length === 0) return serveOpenApiV2(exchange);
  acceptsJsonDocument(request.headers.accept);
  if (version !== 'v3') throw pathNotFound();
  if (rest.length === 0)
    return sendDocument(
      exchange,
      services.documents.get('openapi/v3', () => openApiIndex(services)),
    );
  const path = rest.join('/');
  const passed = aggregatedApi(services, `/${path}`);
  if (passed) return passRequest(exchange, passed);
  const document = openApiV3(services, path);
  if (!document) throw pathNotFound();
  const cacheControl = query.get('hash') === document.hash ? 'public, immutable, max-age=31536000' : 'public';
  await sendDocument(exchange, document, { cacheControl });
}

async function serveOpenApiV2(exchange: Exchange): Promise<void> {
  const { services, request } = exchange;
  const { documents } = services;
  const [best] = parseAccept(request.headers.accept).filter(
    ({ type }) => isJsonOrAny(type) || isOpenApiProtobuf(type),
  );
  if (best && isOpenApiProtobuf(best.type))
    return sendDocument(
      exchange,
      documents.get('openapi/v2 protobuf', () => openApiV2(services), encodeOpenApiV2),
      { contentType: openApiProtobufType },
    );
  acceptsJsonDocument(request.headers.accept);
  await sendDocument(
    exchange,
    documents.get('openapi/v2', () => openApiV2(services)),
  );
}

/** Always with the dot: Go's clients refuse to read an answer whose type has the `@` that they ask for. */
const openApiProtobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** kubectl up to 1.26 writes `@`, which media types must not hold; later ones write a dot. */
function isOpenApiProtobuf(type: string): boolean {
  return /^application\/com\.github\.proto-openapi\.spec\.v2[@.]v1\.0\+protobuf$/.test(type);
}

function isJsonOrAny(type: string): boolean {
  return ['application/json', 'application/*', '*/*'].includes(type);
}

/** Version 3 is served as JSON only, also to clients that would rather have protobuf. */
function acceptsJsonDocument(accept: string | undefined): void {
  const ranges = parseAccept(accept);
  const fits = ranges.some(({ type }) => isJsonOrAny(type));
  if (ranges.length > 0 && !fits) throw notAcceptable(['application/json']);
}
