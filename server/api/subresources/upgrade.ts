import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Timer } from '../../../lib/clock.ts';
import { StatusError } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';
import type { Exchange } from '../exchange.ts';
import { isProxyPath } from '../request/request-info.ts';

/** What a client wants to go on with on its connection, of what this server speaks itself. */
export function upgradeOf({ method, headers }: IncomingMessage): 'websocket' | 'spdy' | undefined {
  const wanted = headers.upgrade ?? '';
  if (method === 'GET' && /^websocket$/i.test(wanted)) return 'websocket';
  return /^spdy\/3\.1$/i.test(wanted) ? 'spdy' : undefined;
}

/** Whether a request asks for another protocol and somebody may speak it; all others stay plain requests. */
export function mayUpgrade(request: IncomingMessage): boolean {
  return upgradeOf(request) !== undefined || isProxyPath(request.url ?? '');
}

/**
 * Finishes the upgrade with the first of `subprotocols` that the client offers; '' stands for a client that offers none.
 * From then on the exchange has no response, only the socket. Throws BadRequest.
 */
export async function acceptWebSocket(
  { request, response, upgrade }: Exchange,
  subprotocols: readonly string[],
): Promise<{ socket: WebSocket; protocol: string }> {
  const offered = listed(request.headers['sec-websocket-protocol']);
  const protocol = offered.length === 0 ? '' : subprotocols.find((name) => offered.includes(name));
  if (!upgrade || protocol === undefined || !subprotocols.includes(protocol))
    throw new StatusError(
      'BadRequest',
      `unable to upgrade: want one of the subprotocols ${subprotocols.filter(Boolean).join(', ')}`,
    );
  const { socket, head } = upgrade;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: apiLimits.execMessageBytesMax,
  });
  // Kubernetes' names have a slash, which the library, as the standard, does not take.
  delete request.headers['sec-websocket-protocol'];
  server.on('headers', (headers) => {
    if (protocol !== '') headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  response.detachSocket(socket);
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error('the client left during the upgrade'));
    socket.once('close', onClose);
    server.handleUpgrade(request, socket, head, (accepted) => {
      socket.off('close', onClose);
      resolve({ socket: accepted, protocol });
    });
  });
}

/**
 * Finishes the upgrade to SPDY/3.1 with the first of `protocols` that the client offers; '' stands for a client that offers
 * none. From then on the exchange has no response, only the transport. Throws Forbidden.
 */
export function acceptSpdy(
  { request, response, upgrade }: Exchange,
  protocols: readonly string[],
): { protocol: string; transport: Duplex } {
  const offered = listed(request.headers['x-stream-protocol-version']);
  const protocol = offered.length === 0 ? '' : protocols.find((name) => offered.includes(name));
  if (!upgrade || protocol === undefined) {
    response.setHeader('X-Accepted-Stream-Protocol-Versions', protocols.join(', '));
    throw new StatusError(
      'Forbidden',
      `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${protocols.join(' ')}]`,
    );
  }
  const { socket, head } = upgrade;
  response.detachSocket(socket);
  socket.setTimeout(0);
  socket.setNoDelay(true);
  if (head.length > 0) socket.unshift(head);
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: SPDY/3.1'];
  if (protocol !== '') lines.push(`X-Stream-Protocol-Version: ${protocol}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return { protocol, transport: socket };
}

function listed(header: string | readonly string[] | undefined): string[] {
  const text = typeof header === 'string' ? header : (header ?? []).join(',');
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/**
 * Says something now and then, so that a client that has vanished is noticed and the ways between stay open. One that says
 * nothing in return for long (it is stopped, or takes nothing) is cut off; one that is not being read is not silent.
 */
export function keepAlive({ clock, socket }: { clock: Clock; socket: Socket }, say: () => void): Disposable {
  let heardBytes = socket.bytesRead;
  let heardAtMs = clock.monotonic();
  let timer: Timer;
  wait();
  return { [Symbol.dispose]: () => timer.cancel() };

  function wait(): void {
    timer = clock.after(apiLimits.streamPingMs, () => {
      const isHeard = socket.bytesRead !== heardBytes || socket.isPaused() || socket.readableLength > 0;
      if (isHeard) heardAtMs = clock.monotonic();
      heardBytes = socket.bytesRead;
      if (clock.monotonic() - heardAtMs >= apiLimits.silentClientMs) return void socket.destroy();
      say();
      wait();
    });
  }
}

/**
 * For `keepAlive`. While the socket is not read, its client's pings are not either, and kubectl gives up after a minute
 * without an answer: a pong that nobody asked for counts as one (RFC 6455, 5.5.3).
 */
export function pingWebSocket(socket: WebSocket): void {
  if (socket.readyState !== socket.OPEN) return;
  socket.ping();
  if (socket.isPaused) socket.pong();
}
