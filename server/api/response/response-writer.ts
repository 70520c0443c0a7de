import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { apiLimits } from '../api-limits.ts';
import type { Exchange } from '../exchange.ts';
import type { Chunk } from './chunk.ts';

/**
 * Writes an answer that may last for hours, no faster than the client reads. A client that reads nothing for a
 * while is cut off: meanwhile at most one piece waits here, and the producer is held.
 */
export class ResponseWriter {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  /** Sends the headers at once: clients wait for them before they believe that the stream stands. */
  open(code: number, headers: OutgoingHttpHeaders): void {
    const { response, request, services, abort } = this.#exchange;
    services.longRunning.add(abort);
    response.once('close', () => services.longRunning.delete(abort));
    request.socket.setTimeout(0);
    request.socket.setNoDelay(true);
    response.writeHead(code, headers);
    response.flushHeaders();
    this.#exchange.audit?.started(code);
    if (services.stopping.aborted) abort.abort();
  }

  /** Resolves when there is room for more; at once when the client is gone. */
  async write(bytes: Uint8Array, options: { stalledMs?: number } = {}): Promise<void> {
    const { response, abort } = this.#exchange;
    if (abort.signal.aborted && response.destroyed) return;
    if (!response.write(bytes)) await this.#drained(response, options.stalledMs);
  }

  /**
   * As `write`, for what many clients get: a chunk that is framed already goes to the socket past Node's own framing,
   * which costs more than the socket. All of one turn go in one packet.
   */
  async send({ framed, body }: Chunk): Promise<void> {
    const { request, response, abort } = this.#exchange;
    if (abort.signal.aborted && response.destroyed) return;
    const { socket } = response;
    // No chunks for a client of HTTP/1.0, no body for HEAD, no socket before earlier answers on it have ended.
    if (!socket || !response.chunkedEncoding || request.method === 'HEAD') return this.write(body);
    if (socket.writableCorked === 0) {
      socket.cork();
      process.nextTick(uncork, socket);
    }
    if (!socket.write(framed)) await this.#drained(socket);
  }

  end(): void {
    const { response, services, abort } = this.#exchange;
    services.longRunning.delete(abort);
    if (!response.destroyed) response.end();
  }

  #drained(stream: Writable, stalledMs: number = apiLimits.stalledReaderMs): Promise<void> {
    const { response, services, abort } = this.#exchange;
    return new Promise((resolve) => {
      const timer = Number.isFinite(stalledMs)
        ? services.clock.after(stalledMs, () => {
            services.log.warn('cut off a client that does not read', { path: this.#exchange.info.path });
            response.destroy();
          })
        : undefined;
      const done = () => {
        timer?.cancel();
        stream.off('drain', done);
        for (const event of ['close', 'error']) response.off(event, done);
        abort.signal.removeEventListener('abort', done);
        resolve();
      };
      stream.on('drain', done);
      for (const event of ['close', 'error']) response.on(event, done);
      abort.signal.addEventListener('abort', done, { once: true });
      if (response.destroyed || abort.signal.aborted) done();
    });
  }
}

function uncork(socket: Socket): void {
  socket.uncork();
}
