import { generateKeyPairSync } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { type Clock, systemClock } from '../../../../lib/clock.ts';
import { silentLogger } from '../../../../lib/log.ts';
import { seededRandom } from '../../../../lib/random.ts';
import type { KubernetesObject } from '../../../../protocol/kinds/define-kind.ts';
import { fixedKinds } from '../../../../protocol/kinds/kind-set.ts';
import { namespaceKind } from '../../../../protocol/kinds/namespace.ts';
import { kinds } from '../../../../protocol/kinds/registry.ts';
import { compileFieldSchemas } from '../../../../protocol/patch/field-schema.ts';
import { schemas } from '../../../../protocol/schema/schemas.ts';
import { createAdmission } from '../../../../server/admission/create-admission.ts';
import { type ApiAccess, createAccess } from '../../../../server/api/access/access.ts';
import { parseTokenFile } from '../../../../server/api/access/bearer-tokens.ts';
import type { Authentication } from '../../../../server/api/access/oidc/authentication-config.ts';
import { ensureDefaultRoles } from '../../../../server/api/access/rbac/ensure-defaults.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from '../../../../server/api/api-server.ts';
import { versionInfo } from '../../../../server/api/version.ts';
import { createCache } from '../../../../server/cache/create-cache.ts';
import type { Cache } from '../../../../server/cache/informer.ts';
import { createTokenSigner } from '../../../../server/identity/json-web-token.ts';
import { createRegistry } from '../../../../server/registry/create-registry.ts';
import type { Registry } from '../../../../server/registry/registry.ts';
import { createMemoryStore } from '../../../../server/store/memory-store.ts';
import type { Store } from '../../../../server/store/store.ts';
import { eventually } from '../../../support/eventually.ts';
import { FakePodStreams } from './fake-pod-streams.ts';
import { createTestAuthority, type TestAuthority, type TestCertificate } from './test-certificates.ts';

export const tokenFile = [
  'admin-token,admin,1,"system:masters"',
  'dev-token,dev,2,"team-a,team-b"',
  'node-token,system:node:n1,3,system:nodes',
].join('\n');

export interface ApiFixture extends AsyncDisposable {
  server: ApiServer;
  registry: Registry;
  access: ApiAccess;
  cache: Cache;
  store: Store;
  podStreams: FakePodStreams;
  authority: TestAuthority;
  /** A request as `admin` unless `token` says otherwise (null: none). */
  send(method: string, path: string, options?: SendOptions): Promise<Answer>;
  /** Creates an object through the API and returns it. */
  create(path: string, object: object): Promise<KubernetesObject>;
  /** As `create`, and waits until the server's own cache has it: from then on it counts for what is allowed. */
  createSeen(path: string, object: object): Promise<KubernetesObject>;
}

export interface SendOptions {
  token?: string | null;
  body?: unknown;
  contentType?: string;
  headers?: Record<string, string>;
  client?: TestCertificate;
  agent?: Agent;
}

export interface Answer {
  code: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
  text: string;
  /** The parsed body; throws when it is not JSON. */
  json(): Json;
}

/** JSON as tests poke in it. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export interface ApiFixtureOptions extends Partial<ApiServerOptions> {
  /** For the times in credentials. */
  accessClock?: Clock;
  /** Make the roles and bindings that every cluster has; many tests need none. */
  defaultRoles?: boolean;
  authentication?: Authentication;
}

export async function openApi(
  {
    accessClock = systemClock,
    defaultRoles = false,
    authentication = { issuers: [] },
    ...overrides
  }: ApiFixtureOptions = {},
  wrap: (registry: Registry) => Registry = (registry) => registry,
): Promise<ApiFixture> {
  const authority = await createTestAuthority();
  const store = createMemoryStore({ clock: systemClock });
  const clock = systemClock;
  const log = silentLogger;
  const fieldSchemaOf = compileFieldSchemas(schemas);
  const admission = createAdmission();
  const registry = createRegistry({
    store,
    clock,
    random: seededRandom(1),
    log,
    kinds,
    fieldSchemaOf,
    admission,
  });
  for (const name of ['default', 'kube-system']) await registry.create(namespaceKind, { metadata: { name } });
  if (defaultRoles) await ensureDefaultRoles(registry);
  const cache = createCache({ registry, clock, log });
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = createTokenSigner({ key: privateKey, issuer: 'https://issuer.test' });
  const staticTokens = parseTokenFile(tokenFile);
  const random = seededRandom(2);
  const access = createAccess({
    registry,
    cache,
    signer,
    staticTokens,
    authentication,
    clock: accessClock,
    random,
    log,
  });
  admission.install(access.admission);
  await cache.synced();
  const podStreams = new FakePodStreams();
  const server = await startApiServer({
    registry: wrap(registry),
    admission,
    kinds: fixedKinds(kinds),
    podStreams,
    usage: { read: () => Promise.resolve(new Map()) },
    fieldSchemaOf,
    tls: { ...authority.server, ca: authority.ca },
    access,
    bind: '127.0.0.1',
    port: 0,
    clock,
    log,
    version: versionInfo({ flotilla: '0.1.0', platform: 'linux/amd64' }),
    checks: [],
    ...overrides,
  });
  const agent = new Agent({ keepAlive: true, ca: authority.ca });

  function send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    return sendRequest({ port: server.port, ca: authority.ca, agent }, method, path, options);
  }

  async function create(path: string, object: object): Promise<KubernetesObject> {
    const answer = await send('POST', path, { body: object });
    if (answer.code !== 201) throw new Error(answer.text);
    return answer.json() as KubernetesObject;
  }

  return {
    server,
    registry,
    access,
    cache,
    store,
    podStreams,
    authority,
    send,
    create,
    async createSeen(path, object) {
      const created = await create(path, object);
      const { namespace, name = '' } = created.metadata ?? {};
      const kind = kinds.find((candidate) => candidate.kind === created.kind);
      if (!kind) throw new Error(`no kind ${created.kind}`);
      const informer = cache.informer(kind);
      await eventually(() => informer.get(namespace, name) !== undefined, `${name} in the cache`);
      return created;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await server.close();
      await cache[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
    },
  };
}

function sendRequest(
  { port, ca, agent }: { port: number; ca: string; agent: Agent },
  method: string,
  path: string,
  { token = 'admin-token', body, contentType = 'application/json', headers, client, agent: own }: SendOptions,
): Promise<Answer> {
  const payload = bodyBytes(body);
  return new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      method,
      path,
      ca,
      agent: client ? false : (own ?? agent),
      ...(client ? { key: client.key, cert: client.certificate } : {}),
      headers: {
        ...(token === null || client ? {} : { Authorization: `Bearer ${token}` }),
        ...(payload ? { 'Content-Type': contentType } : {}),
        ...(payload && !headers?.['Transfer-Encoding'] ? { 'Content-Length': payload.length } : {}),
        ...headers,
      },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const bytes = Buffer.concat(chunks);
        const text = bytes.toString();
        const { statusCode: code = 0, headers } = response;
        resolve({ code, headers, bytes, text, json: () => JSON.parse(text) });
      });
    });
    request.end(payload);
  });
}

function bodyBytes(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  if (typeof body === 'string' || Buffer.isBuffer(body)) return Buffer.from(body as string);
  return Buffer.from(JSON.stringify(body));
}
