import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';

/**
 * Admission and conversion webhooks over HTTPS. Arguments: port, key file, certificate file. Prints a line for each
 * request.
 */
const [port = '0', keyFile = '', certificateFile = ''] = process.argv.slice(2);

interface Review {
  apiVersion: string;
  kind: string;
  request: {
    uid: string;
    operation: string;
    desiredAPIVersion: string;
    objects: Place[];
    object: { metadata: { name?: string; labels?: Record<string, string> } };
    userInfo: { username: string };
  };
}

/** v1 has one address, v2 host and port. */
interface Place {
  apiVersion: string;
  spec: { address?: string; host?: string; port?: number };
}

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64');

const answers: Record<string, (request: Review['request']) => object> = {
  '/convert': ({ objects, desiredAPIVersion }) => ({
    result: { status: 'Success' },
    convertedObjects: objects.map((object) => converted(object, desiredAPIVersion)),
  }),
  '/label': ({ object, userInfo }) => ({
    allowed: true,
    warnings: [`${object.metadata.name} gets an owner`],
    patchType: 'JSONPatch',
    patch: base64([
      object.metadata.labels
        ? { op: 'add', path: '/metadata/labels/owner', value: userInfo.username.replaceAll(':', '.') }
        : { op: 'add', path: '/metadata/labels', value: { owner: userInfo.username.replaceAll(':', '.') } },
    ]),
  }),
  '/deny': ({ object, operation }) => {
    const allowed = operation === 'DELETE' || object.metadata.labels?.forbidden !== 'yes';
    return allowed
      ? { allowed }
      : { allowed, status: { code: 403, message: 'it is forbidden by its label' } };
  },
  '/hang': () => ({}),
};

function converted(object: Place, apiVersion: string): Place {
  const { address, host, port } = object.spec;
  const [left = '', right = '0'] = (address ?? `${host}:${port}`).split(':');
  const spec = apiVersion.endsWith('/v1')
    ? { address: `${left}:${right}` }
    : { host: left, port: Number(right) };
  return { ...object, apiVersion, spec };
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const { pathname } = new URL(request.url ?? '/', 'https://here');
  const { request: asked, ...review } = JSON.parse(Buffer.concat(chunks).toString()) as Review;
  console.log(`${pathname} ${asked.operation ?? asked.objects.length}`);
  if (pathname === '/hang') return;
  const answer = answers[pathname]?.(asked);
  response.writeHead(answer ? 200 : 404, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify({ ...review, response: { uid: asked.uid, ...answer } }));
}

createServer(
  { key: readFileSync(keyFile), cert: readFileSync(certificateFile) },
  (request, response) => void serve(request, response),
).listen(Number(port), '127.0.0.1', () => console.log(`listening on ${port}`));
