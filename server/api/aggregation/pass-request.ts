import type { ClientRequest, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AggregatedApi } from '../../aggregation/aggregated-apis.ts';
import { failureWords } from '../../outgoing/failure-words.ts';
import { ServiceAddressError } from '../../outgoing/service-address.ts';
import type { User } from '../access/user.ts';
import type { Exchange } from '../exchange.ts';
import { hopHeaders } from '../hop-headers.ts';
import { sendText } from '../response/answer.ts';

/**
 * Passes a request on to the server that answers for its group version, and the answer back as it comes: lists,
 * watches and, when both sides agree, another protocol on the same connection. `path` stands for the request's own
 * where that differs there.
 */
export async function passRequest(exchange: Exchange, api: AggregatedApi, path?: string): Promise<void> {
  const { request, response, abort, info } = exchange;
  if (!api.available) return sendText(exchange, 503, 'service unavailable\n');
  const isLong = info.verb === 'watch' || exchange.upgrade !== undefined;
  if (isLong) keepOpen(exchange);
  let passed: ClientRequest;
  try {
    passed = api.open({
      method: request.method ?? 'GET',
      path: path ?? request.url ?? '/',
      headers: passedHeaders(exchange),
      upgrade: exchange.upgrade !== undefined,
    });
  } catch (error) {
    if (!(error instanceof ServiceAddressError)) throw error;
    api.suspect();
    return sendText(exchange, 503, 'service unavailable\n');
  }
  const onAbort = () => passed.destroy();
  abort.signal.addEventListener('abort', onAbort, { once: true });
  if (abort.signal.aborted) onAbort();
  try {
    const answer = await answerOf(passed, request);
    if ('switched' in answer) return await join(exchange, answer);
    response.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
    if (isLong) response.flushHeaders();
    await pipeline(answer, response);
  } catch (error) {
    if (abort.signal.aborted) return;
    if (response.headersSent) throw error;
    api.suspect();
    sendText(exchange, 503, `error trying to reach service: ${wordsFor(error)}\n`);
  } finally {
    abort.signal.removeEventListener('abort', onAbort);
  }
}

/** It does not count as one of the requests that shall be over soon, and ends when the server stops. */
function keepOpen({ request, response, services, abort, upgrade }: Exchange): void {
  services.longRunning.add(abort);
  const onClosed = () => void services.longRunning.delete(abort);
  response.once('close', onClosed);
  upgrade?.socket.once('close', onClosed);
  request.socket.setTimeout(0);
  if (services.stopping.aborted) abort.abort();
}

interface Switched {
  switched: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

function answerOf(passed: ClientRequest, request: IncomingMessage): Promise<IncomingMessage | Switched> {
  return new Promise((resolve, reject) => {
    passed.on('error', reject);
    passed.on('response', resolve);
    passed.on('upgrade', (switched, socket, head) => resolve({ switched, socket, head }));
    request.on('error', reject);
    request.pipe(passed);
  });
}

/** From here on both connections are one. */
async function join({ response, upgrade }: Exchange, { switched, socket, head }: Switched): Promise<void> {
  if (!upgrade) {
    socket.destroy();
    throw new Error('the server switched protocols unasked');
  }
  response.detachSocket(upgrade.socket);
  const lines = [`HTTP/1.1 ${switched.statusCode ?? 101} ${switched.statusMessage ?? ''}`];
  for (let index = 0; index < switched.rawHeaders.length; index += 2)
    lines.push(`${switched.rawHeaders[index]}: ${switched.rawHeaders[index + 1]}`);
  upgrade.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  upgrade.socket.write(head);
  socket.write(upgrade.head);
  const ends = [pipeline(upgrade.socket, socket), pipeline(socket, upgrade.socket)];
  await Promise.allSettled(ends);
  upgrade.socket.destroy();
  socket.destroy();
}

/** Who asks is said by us alone. */
const identity = /^(?:authorization|host|impersonate-.*|x-remote-.*)$/;

function withoutHops(headers: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()));
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || hopHeaders.has(name) || named.has(name) ? [] : [[name, value] as const],
    ),
  );
}

function passedHeaders({ request, user, upgrade }: Exchange): Record<string, string | string[]> {
  const own = Object.entries(withoutHops(request.headers)).filter(([name]) => !identity.test(name));
  const before = request.headers['x-forwarded-for'];
  const from = request.socket.remoteAddress ?? '';
  return {
    ...Object.fromEntries(own),
    'X-Forwarded-For': before === undefined ? from : `${[before].flat().join(', ')}, ${from}`,
    ...userHeaders(user),
    ...(upgrade ? { Connection: 'Upgrade', Upgrade: request.headers.upgrade ?? '' } : {}),
  };
}

function userHeaders({ name, uid, groups, extra = {} }: User): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'X-Remote-User': headerText(name) };
  if (uid !== undefined) headers['X-Remote-Uid'] = headerText(uid);
  if (groups.length > 0) headers['X-Remote-Group'] = groups.map(headerText);
  for (const [key, values] of Object.entries(extra))
    headers[`X-Remote-Extra-${escapedKey(key)}`] = values.map(headerText);
  return headers;
}

/** Headers carry bytes: what is not ASCII goes as UTF-8. */
function headerText(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function escapedKey(key: string): string {
  return encodeURIComponent(key).replaceAll(/[()]/g, (found) => `%${found.charCodeAt(0).toString(16)}`);
}

function wordsFor(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { address = '', port = 0 } = error as { address?: string; port?: number };
  return failureWords(error, { host: address, port, serverName: address });
}
