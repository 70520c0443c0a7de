import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as tlsConnect } from 'node:tls';
import { StatusError } from '../../../../protocol/status.ts';
import type { ResourceExchange } from '../../exchange.ts';
import { hopHeaders } from '../../hop-headers.ts';

/** A program in a pod that a request is handed on to. */
export interface ProxyTarget {
  node: string;
  podUid: string;
  port: number;
  scheme: 'http' | 'https';
  /** What it is asked for as, in the Host header. */
  host: string;
}

/** Headers of this hop, and those by which this server knows the user. */
const notHandedOn: ReadonlySet<string> = new Set([...hopHeaders, 'authorization', 'host', 'expect']);

/**
 * Hands a request on to a program in a pod, over a stream of the bus, and its answer back, both as they come. An answer
 * that switches protocols is handed on too. Where the program speaks TLS its certificate is not looked at, as in
 * Kubernetes.
 */
export async function proxyRequest(exchange: ResourceExchange, target: ProxyTarget): Promise<void> {
  const { request, response, info, services, abort } = exchange;
  if (redirectToRoot(exchange)) return;
  services.longRunning.add(abort);
  response.once('close', () => services.longRunning.delete(abort));
  request.socket.setTimeout(0);
  const socket = await dialTarget(exchange, target);
  abort.signal.addEventListener('abort', () => socket.destroy(), { once: true });
  const upgrades = exchange.upgrade !== undefined;
  const path = `${info.rest || '/'}${queryOf(request.url ?? '')}`;
  const outgoing = httpRequest({
    method: request.method ?? 'GET',
    path,
    headers: handedOn(exchange, target, upgrades),
    createConnection: () => socket,
  } as RequestOptions);
  const answered = new Promise<{ answer: IncomingMessage; upgraded?: Duplex; head?: Buffer }>(
    (resolve, reject) => {
      outgoing.once('response', (answer) => resolve({ answer }));
      outgoing.once('upgrade', (answer, upgraded, head) => resolve({ answer, upgraded, head }));
      outgoing.once('error', reject);
    },
  );
  // The body is on its way while the answer may come already.
  if (upgrades) outgoing.end();
  else void pipeline(request, outgoing).catch(() => {});
  const { answer, upgraded, head } = await answered.catch((error: unknown) => {
    socket.destroy();
    throw unreachable(error);
  });
  if (upgraded) return switchProtocols(exchange, { answer, upgraded, head: head ?? Buffer.alloc(0) });
  response.writeHead(answer.statusCode ?? 502, answerHeaders(exchange, answer, target));
  // What comes slowly shall be seen as it comes.
  response.flushHeaders();
  await pipeline(answer, response).catch(() => void response.destroy());
  socket.destroy();
}

function queryOf(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at);
}

/** Relative links of a page are meant below it, so its address has to end in a slash. */
function redirectToRoot({ request, response, info }: ResourceExchange): boolean {
  if (info.rest || (request.method !== 'GET' && request.method !== 'HEAD')) return false;
  response.writeHead(301, { Location: `${info.path}/${queryOf(request.url ?? '')}` });
  response.end();
  return true;
}

async function dialTarget(
  { services, abort }: ResourceExchange,
  { node, podUid, port, scheme }: ProxyTarget,
): Promise<Duplex> {
  try {
    const asked = { type: 'port', podUid, port, to: 'address' } as const;
    const socket = await services.podStreams.dial(node, asked, abort.signal);
    socket.on('error', () => {});
    if (scheme === 'http') return socket;
    return tlsConnect({ socket, rejectUnauthorized: false }).on('error', () => {});
  } catch (error) {
    throw unreachable(error);
  }
}

function unreachable(error: unknown): StatusError {
  const words = error instanceof Error ? error.message : String(error);
  return new StatusError('ServiceUnavailable', `error trying to reach service: ${words}`);
}

function handedOn({ request, info }: ResourceExchange, target: ProxyTarget, upgrades: boolean): string[] {
  const headers = pairsOf(request).filter(
    ([name]) => !notHandedOn.has(name.toLowerCase()) && !/^(?:impersonate-|x-remote-)/i.test(name),
  );
  const { rawHeaders: _raw, headers: known, socket } = request;
  return [
    ['Host', target.host],
    ...headers,
    ...(upgrades
      ? [
          ['Connection', 'Upgrade'],
          ['Upgrade', known.upgrade ?? ''],
        ]
      : [['Connection', 'close']]),
    ...(known['transfer-encoding'] ? [['Transfer-Encoding', 'chunked']] : []),
    ['X-Forwarded-For', [known['x-forwarded-for'], socket.remoteAddress].filter(Boolean).join(', ')],
    ['X-Forwarded-Uri', info.path],
    ['X-Forwarded-Host', known.host ?? ''],
    ['X-Forwarded-Proto', 'https'],
  ].flat();
}

function pairsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    pairs.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '']);
  return pairs;
}

/** What the program calls its root is below `…/proxy` for the client. */
function answerHeaders({ info }: ResourceExchange, answer: IncomingMessage, target: ProxyTarget): string[] {
  const prefix = info.rest ? info.path.slice(0, info.path.length - info.rest.length) : info.path;
  return pairsOf(answer)
    .filter(([name]) => !['connection', 'keep-alive', 'transfer-encoding'].includes(name.toLowerCase()))
    .flatMap(([name, value]) => [
      name,
      name.toLowerCase() === 'location' ? relocated(value, prefix, target) : value,
    ]);
}

function relocated(location: string, prefix: string, { scheme, host }: ProxyTarget): string {
  if (location.startsWith('/') && !location.startsWith('//')) return `${prefix}${location}`;
  const own = `${scheme}://${host}/`;
  return location.startsWith(own) ? `${prefix}/${location.slice(own.length)}` : location;
}

async function switchProtocols(
  { response, upgrade, abort }: ResourceExchange,
  { answer, upgraded, head }: { answer: IncomingMessage; upgraded: Duplex; head: Buffer },
): Promise<void> {
  if (!upgrade) return void upgraded.destroy();
  const { socket } = upgrade;
  response.detachSocket(socket);
  socket.setTimeout(0);
  const lines = pairsOf(answer).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`);
  if (head.length > 0) socket.write(head);
  if (upgrade.head.length > 0) upgraded.write(upgrade.head);
  upgraded.on('error', () => {});
  socket.pipe(upgraded).pipe(socket);
  await Promise.race([once(socket, 'close'), once(upgraded, 'close')]);
  abort.abort();
  socket.destroy();
  upgraded.destroy();
}
