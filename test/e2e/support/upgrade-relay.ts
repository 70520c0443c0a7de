import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type RequestOptions, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

/** What a client asked to speak, on which path. */
export interface AskedUpgrade {
  path: string;
  upgrade: string;
  subprotocols: string;
}

export interface UpgradeRelay extends AsyncDisposable {
  readonly url: string;
  readonly asked: readonly AskedUpgrade[];
}

/**
 * Stands before an API as many load balancers do: it lets WebSockets through and nothing else that is not HTTP. It
 * answers plain HTTP on loopback and speaks to the API with the credentials in `options`.
 */
export async function openUpgradeRelay(options: RequestOptions): Promise<UpgradeRelay> {
  const asked: AskedUpgrade[] = [];
  const onwards = ({ method, url, headers }: IncomingMessage) =>
    request({
      ...options,
      method,
      path: url,
      headers: { ...headers, host: `${options.host}:${options.port}` },
    });
  const answer = (incoming: IncomingMessage, response: ServerResponse) => {
    const passed = onwards(incoming);
    passed.on('response', (found) => {
      response.writeHead(found.statusCode ?? 502, found.headers);
      found.pipe(response);
    });
    passed.on('error', () => response.destroy());
    incoming.pipe(passed);
  };
  const server = createServer(answer);
  server.on('upgrade', (incoming: IncomingMessage, socket: Duplex) => {
    const { headers, url = '' } = incoming;
    const upgrade = (headers.upgrade ?? '').toLowerCase();
    asked.push({
      path: url.split('?')[0] ?? '',
      upgrade,
      subprotocols: headers['sec-websocket-protocol'] ?? '',
    });
    if (upgrade !== 'websocket')
      return void socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    socket.on('error', () => {});
    const passed = onwards(incoming);
    passed.on('error', () => socket.destroy());
    passed.on('response', () => socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n'));
    passed.on('upgrade', (found, far, head) => {
      const lines = Object.entries(found.headers).map(([name, value]) => `${name}: ${String(value)}`);
      socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'));
      if (head.length > 0) socket.write(head);
      far.on('error', () => socket.destroy());
      far.pipe(socket).pipe(far);
    });
    passed.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
