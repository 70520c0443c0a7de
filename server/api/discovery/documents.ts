import { createHash } from 'node:crypto';
import type { Exchange } from '../exchange.ts';
import { sendBytes } from '../response/answer.ts';

export interface Document {
  bytes: Buffer;
  /** Hexadecimal, also the entity tag. */
  hash: string;
}

/** Answers that only change with the served kinds: discovery and OpenAPI, each serialised at its first use. */
export class Documents {
  readonly #documents = new Map<string, Document>();

  /** `key` must come from the served kinds, never from a request, so that this cannot grow. */
  get(key: string, build: () => object, encode: (value: object) => Buffer = jsonOf): Document {
    let document = this.#documents.get(key);
    if (!document) {
      const bytes = encode(build());
      document = { bytes, hash: createHash('sha256').update(bytes).digest('hex').toUpperCase().slice(0, 64) };
      this.#documents.set(key, document);
    }
    return document;
  }

  /** Forgets what is made of kinds of these group versions (`apis/apps/v1`), and what is made of all kinds. */
  forget(paths: readonly string[]): void {
    const parts = new Set(
      paths.flatMap((path) => [path, `openapi/v3/${path}`, path.slice(0, path.lastIndexOf('/'))]),
    );
    for (const key of this.#documents.keys()) {
      const ofAll = /^(?:apis?(?: .*)?|openapi\/v[23])$/.test(key);
      if (ofAll || parts.has(key)) this.#documents.delete(key);
    }
  }
}

function jsonOf(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** Answers with a document, or with 304 when the client has it. */
export async function sendDocument(
  exchange: Exchange,
  { bytes, hash }: Document,
  { contentType = 'application/json', cacheControl = 'public' } = {},
): Promise<void> {
  const { request, response } = exchange;
  const etag = `"${hash}"`;
  response.setHeader('ETag', etag);
  response.setHeader('Cache-Control', cacheControl);
  response.appendHeader('Vary', 'Accept');
  const known = (request.headers['if-none-match'] ?? '')
    .split(',')
    .map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes(etag)) {
    response.writeHead(304);
    response.end();
    return;
  }
  await sendBytes(exchange, 200, bytes, contentType);
}
