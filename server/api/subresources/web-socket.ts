import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import { StatusError } from '../../../protocol/status.ts';
import { apiLimits } from '../api-limits.ts';
import type { Exchange } from '../exchange.ts';

/** Kubernetes' channel protocols that are served, the preferred one first. */
const subprotocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

export function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return request.method === 'GET' && /^websocket$/i.test(request.headers.upgrade ?? '');
}

/** Finishes the upgrade. From then on the exchange has no response, only the socket. Throws BadRequest. */
export async function acceptWebSocket({ request, response, upgrade }: Exchange): Promise<WebSocket> {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  const protocol = subprotocols.find((name) => offered.includes(name));
  if (!upgrade || !protocol)
    throw new StatusError(
      'BadRequest',
      `unable to upgrade: want one of the subprotocols ${subprotocols.join(', ')}`,
    );
  const { socket, head } = upgrade;
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: apiLimits.execMessageBytesMax,
    handleProtocols: () => protocol,
  });
  response.detachSocket(socket);
  return new Promise((resolve, reject) => {
    socket.once('close', () => reject(new Error('the client left during the upgrade')));
    server.handleUpgrade(request, socket, head, resolve);
  });
}
