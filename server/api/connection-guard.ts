import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { apiLimits } from './api-limits.ts';

/** Keeps one address from taking all connections, and one connection from queueing requests without end. */
export class ConnectionGuard {
  readonly #sockets = new Set<Socket>();
  readonly #secure = new Set<Socket>();
  readonly #byAddress = new Map<string, number>();
  #closing = false;
  readonly #openRequests = new WeakMap<Socket, number>();

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => this.#admit(socket));
    server.on('secureConnection', (socket: Socket) => {
      if (this.#closing) return socket.destroy();
      this.#secure.add(socket);
      socket.once('close', () => this.#secure.delete(socket));
    });
  }

  /** False, and the connection is gone, when it has too many requests open already. */
  admitsRequest({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const open = (this.#openRequests.get(socket) ?? 0) + 1;
    if (open > apiLimits.pipelinedMax) {
      socket.destroy();
      return false;
    }
    this.#openRequests.set(socket, open);
    response.once('close', () => this.#openRequests.set(socket, (this.#openRequests.get(socket) ?? 1) - 1));
    return true;
  }

  /** Closes connections that wait for nothing, also those that never sent a request. */
  destroyIdle(): void {
    this.#closing = true;
    for (const socket of this.#secure) if (!this.#openRequests.get(socket)) socket.destroy();
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const count = (this.#byAddress.get(address) ?? 0) + 1;
    if (count > apiLimits.connectionsPerAddressMax) {
      socket.destroy();
      return;
    }
    this.#byAddress.set(address, count);
    this.#sockets.add(socket);
    socket.once('close', () => {
      this.#sockets.delete(socket);
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#byAddress.set(address, left);
      else this.#byAddress.delete(address);
    });
  }
}
