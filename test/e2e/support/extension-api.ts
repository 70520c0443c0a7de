import { createHash, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { TLSSocket } from 'node:tls';

/**
 * An extension API server: berries.example.com/v1 with the kind Berry, over HTTPS, for whoever the front proxy says.
 * Arguments: port, key file, certificate file, file of the front proxy's CA.
 */
const [port = '0', keyFile = '', certificateFile = '', frontProxyFile = ''] = process.argv.slice(2);
const group = 'berries.example.com';
const root = `/apis/${group}/v1`;

const resources = [
  {
    name: 'berries',
    singularName: 'berry',
    namespaced: true,
    kind: 'Berry',
    verbs: ['create', 'delete', 'get', 'list', 'patch', 'watch'],
    shortNames: ['bry'],
    categories: ['all'],
  },
  { name: 'berries/echo', singularName: '', namespaced: true, kind: 'Berry', verbs: ['get'] },
];

interface Berry {
  apiVersion: string;
  kind: string;
  metadata: Record<string, unknown>;
  spec?: unknown;
}

const berries = new Map<string, Berry>();
const watchers = new Set<ServerResponse>();
let revision = 1;

function put(namespace: string, name: string, rest: object = {}, owners?: unknown): Berry {
  revision += 1;
  const metadata = {
    name,
    namespace,
    ...(owners === undefined ? {} : { ownerReferences: owners }),
    uid: createHash('sha1').update(`${namespace}/${name}/${revision}`).digest('hex'),
    resourceVersion: String(revision),
    creationTimestamp: '2026-01-01T00:00:00Z',
  };
  const berry = { apiVersion: `${group}/v1`, kind: 'Berry', ...rest, metadata };
  berries.set(`${namespace}/${name}`, berry);
  tell('ADDED', berry);
  return berry;
}

function tell(type: string, object: Berry): void {
  for (const watcher of watchers) watcher.write(`${JSON.stringify({ type, object })}\n`);
}

/** A merge patch of its metadata, which is all that anybody changes. */
function patch(berry: Berry, { metadata }: Berry): Berry {
  revision += 1;
  Object.assign(berry.metadata, metadata, { resourceVersion: String(revision) });
  tell('MODIFIED', berry);
  return berry;
}

function remove(place: string, berry: Berry): Berry {
  revision += 1;
  berries.delete(place);
  berry.metadata.resourceVersion = String(revision);
  tell('DELETED', berry);
  return berry;
}

function send(response: ServerResponse, code: number, value: object): void {
  response.writeHead(code, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(value));
}

function notFound(response: ServerResponse): void {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'NotFound' };
  send(response, 404, { ...status, message: 'no such berry', code: 404 });
}

/** Who asks: only the front proxy may say so. */
function userOf(request: IncomingMessage): { name: string; groups: string } | undefined {
  const peer = (request.socket as TLSSocket).getPeerX509Certificate();
  const isProxy =
    (request.socket as TLSSocket).authorized && /^CN=front-proxy-client$/m.test(peer?.subject ?? '');
  const name = request.headers['x-remote-user'];
  if (!isProxy || typeof name !== 'string') return undefined;
  return {
    name: Buffer.from(name, 'latin1').toString(),
    groups: String(request.headers['x-remote-group'] ?? ''),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Berry> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Berry;
}

const schema = {
  type: 'object',
  description: 'A Berry grows outside of the cluster.',
  properties: { spec: { type: 'object', properties: { colour: { type: 'string' } } } },
  'x-kubernetes-group-version-kind': [{ group, version: 'v1', kind: 'Berry' }],
};
const operation = (reference: string) => ({
  get: {
    operationId: 'readBerry',
    responses: { 200: { description: 'OK', schema: { $ref: reference } } },
    'x-kubernetes-action': 'get',
    'x-kubernetes-group-version-kind': { group, version: 'v1', kind: 'Berry' },
  },
});
const path = `${root}/namespaces/{namespace}/berries/{name}`;
const openApi: Record<string, object> = {
  '/openapi/v2': {
    swagger: '2.0',
    info: { title: 'berries', version: '1' },
    paths: { [path]: operation('#/definitions/com.example.berries.v1.Berry'), '/elsewhere': {} },
    definitions: { 'com.example.berries.v1.Berry': schema },
  },
  '/openapi/v3': { paths: { [root.slice(1)]: { serverRelativeURL: `/openapi/v3${root}?hash=ABC123` } } },
  [`/openapi/v3${root}`]: {
    openapi: '3.0.0',
    info: { title: 'berries', version: '1' },
    paths: {
      [path]: {
        get: {
          ...operation('').get,
          responses: {
            200: {
              description: 'OK',
              content: {
                'application/json': { schema: { $ref: '#/components/schemas/com.example.berries.v1.Berry' } },
              },
            },
          },
        },
      },
    },
    components: { schemas: { 'com.example.berries.v1.Berry': schema } },
  },
};

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'https://here');
  const user = userOf(request);
  if (!user) return send(response, 401, { kind: 'Status', status: 'Failure', message: 'Unauthorized' });
  const document = openApi[url.pathname];
  if (document) return send(response, 200, document);
  if (url.pathname === root)
    return send(response, 200, {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: `${group}/v1`,
      resources,
    });
  const [, namespace, name] =
    /^\/apis\/[^/]+\/v1(?:\/namespaces\/([^/]+))?\/berries(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
  if (request.method === 'POST' && namespace !== undefined) {
    const { spec, metadata } = await bodyOf(request);
    return send(response, 201, put(namespace, String(metadata.name), { spec }, metadata.ownerReferences));
  }
  if (request.method === 'DELETE' || request.method === 'PATCH') {
    const place = `${namespace}/${name}`;
    const found = berries.get(place);
    if (!found) return notFound(response);
    const changed = request.method === 'DELETE' ? remove(place, found) : patch(found, await bodyOf(request));
    return send(response, 200, changed);
  }
  if (name === 'whoami') return send(response, 200, put(namespace ?? '', 'whoami', { spec: user }));
  if (name !== undefined) {
    const found = berries.get(`${namespace}/${name}`);
    return found ? send(response, 200, found) : notFound(response);
  }
  if (url.searchParams.has('watch')) {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.flushHeaders();
    watchers.add(response);
    console.log(`${user.name} watches`);
    response.once('close', () => watchers.delete(response));
    return;
  }
  const items = [...berries.values()].filter(
    ({ metadata }) => !namespace || metadata.namespace === namespace,
  );
  send(response, 200, {
    kind: 'BerryList',
    apiVersion: `${group}/v1`,
    metadata: { resourceVersion: String(revision) },
    items,
  });
}

const server = createServer(
  {
    key: readFileSync(keyFile),
    cert: readFileSync(certificateFile),
    ca: readFileSync(frontProxyFile),
    requestCert: true,
    rejectUnauthorized: false,
  },
  (request, response) => void answer(request, response),
);
/** Gives back what it hears, under a protocol that this API knows nothing of. */
server.on('upgrade', (request, socket) => {
  const { upgrade } = request.headers;
  const user = userOf(request);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n\r\n`);
  socket.write(`hello ${user?.name}\n`);
  socket.pipe(socket);
  socket.on('error', () => socket.destroy());
});
server.listen(Number(port), '0.0.0.0', () => {
  const { subject } = new X509Certificate(readFileSync(certificateFile));
  console.log(`listening on ${port} as ${subject}`);
});
