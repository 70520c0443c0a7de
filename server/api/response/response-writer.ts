import type { OutgoingHttpHeaders } from 'node:http';
import { apiLimits } from '../api-limits.ts';
import type { Exchange } from '../exchange.ts';

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
    if (response.write(bytes)) return;
    await this.#drained(options.stalledMs ?? apiLimits.stalledReaderMs);
  }

  /** Writes many small pieces as a few larger ones. */
  async writeAll(pieces: readonly Uint8Array[]): Promise<void> {
    let batch: Uint8Array[] = [];
    let size = 0;
    for (const piece of pieces) {
      batch.push(piece);
      size += piece.length;
      if (size < apiLimits.listChunkBytes) continue;
      await this.write(Buffer.concat(batch));
      batch = [];
      size = 0;
    }
    if (size > 0) await this.write(Buffer.concat(batch));
  }

  end(): void {
    const { response, services, abort } = this.#exchange;
    services.longRunning.delete(abort);
    if (!response.destroyed) response.end();
  }

  #drained(stalledMs: number): Promise<void> {
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
        for (const event of ['drain', 'close', 'error']) response.off(event, done);
        abort.signal.removeEventListener('abort', done);
        resolve();
      };
      for (const event of ['drain', 'close', 'error']) response.on(event, done);
      abort.signal.addEventListener('abort', done, { once: true });
      if (response.destroyed || abort.signal.aborted) done();
    });
  }
}
