import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { ApiFixture, Json } from './api-fixture.ts';

/** One watch, frame by frame. */
export class WatchReader {
  readonly frames: Json[] = [];
  readonly response: IncomingMessage;
  ended = false;
  /** False when the connection broke instead of ending. */
  complete = false;
  #text = '';
  #wake = Promise.withResolvers<void>();

  static async open(
    api: ApiFixture,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<WatchReader> {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = httpsRequest({
        host: '127.0.0.1',
        port: api.server.port,
        path,
        ca: api.authority.ca,
        agent: false,
        headers: { Authorization: 'Bearer admin-token', ...headers },
      });
      request.on('response', resolve);
      request.on('error', reject);
      request.end();
    });
    return new WatchReader(response);
  }

  constructor(response: IncomingMessage) {
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => this.#take(chunk));
    response.on('error', () => {});
    response.on('close', () => {
      this.ended = true;
      this.complete = response.complete;
      this.#notify();
    });
  }

  /** The first `count` frames, as soon as they are there. */
  async read(count: number): Promise<Json[]> {
    while (this.frames.length < count) {
      if (this.ended) throw new Error(`the watch ended after ${this.frames.length} of ${count} frames`);
      await this.#wake.promise;
    }
    return this.frames.slice(0, count);
  }

  async untilEnd(): Promise<Json[]> {
    while (!this.ended) await this.#wake.promise;
    return this.frames;
  }

  close(): void {
    this.response.destroy();
  }

  #take(chunk: string): void {
    const lines = (this.#text + chunk).split('\n');
    this.#text = lines.pop() ?? '';
    this.frames.push(...lines.map((line) => JSON.parse(line)));
    this.#notify();
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

/** `ADDED one`, `BOOKMARK`, … */
export function summaries(frames: readonly Json[]): string[] {
  return frames.map(({ type, object }) => [type, object.metadata?.name].filter(Boolean).join(' '));
}
