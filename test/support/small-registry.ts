import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Blob } from '../../agent/layers/image-manifest.ts';

/** A registry as far as pulls go, in this process: blobs by ranges, manifests, tokens for one user; it can be cut and made to lie. */
export class SmallRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, { type: string; content: Buffer }>();
  /** `GET /v2/…`, each with how many bytes of a body went out. */
  readonly asked: { path: string; status: number; bytes: number; range: string | undefined }[] = [];
  /** What goes out before the connection is cut, once. */
  cutAfterBytes = Number.POSITIVE_INFINITY;
  /** `user:password`; tokens are asked for then. */
  account: string | undefined;
  /** Blobs are elsewhere, at this address. */
  redirectBlobs: string | undefined;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  #tokens = 0;

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  addBlob(content: Buffer, mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'): Blob {
    const digest = sha256(content);
    this.blobs.set(digest, content);
    return { digest, size: content.length, mediaType };
  }

  addManifest(tag: string, type: string, value: object): Blob {
    const content = Buffer.from(JSON.stringify(value));
    const digest = sha256(content);
    for (const name of [tag, digest]) this.manifests.set(name, { type, content });
    return { digest, size: content.length, mediaType: type };
  }

  addImage(tag: string, layerBytes: readonly number[]): { digest: string; config: Blob; layers: Blob[] } {
    const layers = layerBytes.map((bytes) => this.addBlob(randomBytes(bytes)));
    const config = this.addBlob(Buffer.from(`{"tag":"${tag}"}`), 'application/vnd.oci.image.config.v1+json');
    const { digest } = this.addManifest(tag, ociManifest, { schemaVersion: 2, config, layers });
    return { digest, config, layers };
  }

  blobBytes(): number {
    return this.asked.reduce((sum, { path, bytes }) => sum + (path.includes('/blobs/') ? bytes : 0), 0);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', `http://${this.host}`);
    const [, kind, name = ''] = /\/(manifests|blobs)\/([^/]+)$/.exec(url.pathname) ?? [];
    const seen = { path: url.pathname, status: 200, bytes: 0, range: request.headers.range };
    this.asked.push(seen);
    const end = (status: number, headers = {}, body?: string) => {
      seen.status = status;
      response.writeHead(status, headers).end(body);
    };
    if (url.pathname === '/token') return this.#giveToken(request, url, end);
    if (this.account !== undefined && request.headers.authorization !== `Bearer token-${this.#tokens}`) {
      const realm = `Bearer realm="http://${this.host}/token",service="small",scope="repository:team/app:pull"`;
      return end(401, { 'WWW-Authenticate': realm }, JSON.stringify({ errors: [{ code: 'UNAUTHORIZED' }] }));
    }
    const manifest = kind === 'manifests' ? this.manifests.get(name) : undefined;
    const content = kind === 'blobs' ? this.blobs.get(name) : manifest?.content;
    if (kind === 'blobs' && this.redirectBlobs !== undefined)
      return end(307, { Location: `${this.redirectBlobs}${url.pathname}` });
    if (!content) return end(404, {}, JSON.stringify({ errors: [{ message: `${name} unknown` }] }));
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    seen.status = start > 0 ? 206 : 200;
    const type = manifest?.type ?? 'application/octet-stream';
    const range =
      start > 0 ? { 'Content-Range': `bytes ${start}-${content.length - 1}/${content.length}` } : {};
    const part = content.subarray(start);
    response.writeHead(seen.status, { 'Content-Type': type, 'Content-Length': part.length, ...range });
    seen.bytes = Math.min(part.length, kind === 'blobs' ? this.cutAfterBytes : part.length);
    response.write(part.subarray(0, seen.bytes), () => {
      if (seen.bytes === part.length) return response.end();
      this.cutAfterBytes = Number.POSITIVE_INFINITY;
      response.destroy();
    });
  }

  #giveToken(
    request: IncomingMessage,
    url: URL,
    end: (status: number, headers?: object, body?: string) => void,
  ): void {
    const basic = `Basic ${Buffer.from(this.account ?? '').toString('base64')}`;
    if (request.headers.authorization !== basic || url.searchParams.get('service') !== 'small')
      return end(401, {}, '{}');
    this.#tokens += 1;
    return end(200, {}, JSON.stringify({ token: `token-${this.#tokens}`, expires_in: 300 }));
  }

  /** Those given so far count no more. */
  expireTokens(): void {
    this.#tokens += 1;
  }
}

export const ociManifest = 'application/vnd.oci.image.manifest.v1+json';

export function sha256(content: Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
