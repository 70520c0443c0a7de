/**
 * What the device tells about itself over HTTP's words, as a kubelet does: `nodes/<name>/proxy/<path>` of the API reaches
 * it, by way of a stream on the bus. Whoever has something to tell registers its path; nothing listens on the device.
 */
export interface NodeEndpointRequest {
  /** As it was asked for, with the leading slash; below a registered path where that ends in a slash. */
  path: string;
  query: URLSearchParams;
  /** Aborts when nobody waits for the answer any more. */
  signal: AbortSignal;
}

export interface NodeAnswer {
  /** HTTP status; 200 unless given. */
  status?: number;
  /** `text/plain; charset=utf-8` unless given. */
  contentType?: string;
  body: string | Uint8Array | AsyncIterable<Uint8Array>;
}

/** What it throws is answered as status 500 with the error's message. */
export type NodeEndpoint = (request: NodeEndpointRequest) => Promise<NodeAnswer> | NodeAnswer;

export class NodeEndpoints {
  readonly #endpoints = new Map<string, NodeEndpoint>();

  /** `path` is exact, or a prefix when it ends in a slash. A path that is taken already is a TypeError. */
  register(path: string, endpoint: NodeEndpoint): Disposable {
    if (this.#endpoints.has(path)) throw new TypeError(`the endpoint ${path} is registered twice`);
    this.#endpoints.set(path, endpoint);
    return { [Symbol.dispose]: () => void this.#endpoints.delete(path) };
  }

  get paths(): string[] {
    return [...this.#endpoints.keys()].sort();
  }

  async answer(request: NodeEndpointRequest): Promise<NodeAnswer> {
    const endpoint = this.#find(request.path);
    if (!endpoint) return { status: 404, body: '404 page not found\n' };
    try {
      return await endpoint(request);
    } catch (error) {
      return { status: 500, body: `${error instanceof Error ? error.message : String(error)}\n` };
    }
  }

  #find(path: string): NodeEndpoint | undefined {
    const exact = this.#endpoints.get(path);
    if (exact) return exact;
    const prefixes = [...this.#endpoints.keys()].filter(
      (known) => known.endsWith('/') && path.startsWith(known),
    );
    const longest = prefixes.sort((one, other) => other.length - one.length)[0];
    return longest === undefined ? undefined : this.#endpoints.get(longest);
  }
}
