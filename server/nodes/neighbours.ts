import type { Node } from '../../protocol/generated/models.ts';
import {
  layersPortAnnotation,
  type Neighbours,
  neighboursKey,
  siteLabel,
} from '../../protocol/kinds/neighbours.ts';
import { entryDigest } from '../../protocol/sync-hash.ts';
import type { SetEntry } from '../../protocol/topics/sync.ts';
import type { CacheChange, Informer } from '../cache/informer.ts';

export interface NeighboursOptions {
  nodes: Informer<Node>;
  put: (node: string, entry: SetEntry) => void;
  remove: (node: string, key: string) => void;
  onDirty: (node: string) => void;
}

/** Each device knows so many, and is known to so many: those after it in the circle of its site's names. */
const neighboursMax = 8;
const addressesMax = 3;

/**
 * Tells each device of a site which of the others give layers. A device that comes, goes or moves costs the few that are told
 * of it, however large the site is.
 */
export class NeighboursTracker implements Disposable {
  readonly #options: NeighboursOptions;
  readonly #facts = new Map<string, Facts>();
  /** By site: the names of those who give layers, sorted. */
  readonly #givers = new Map<string, string[]>();
  readonly #stale = new Set<string>();
  readonly #subscriptions = new DisposableStack();
  #taken = false;

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  start(): void {
    this.#subscriptions.use(this.#options.nodes.onChange((change) => this.#onNode(change)));
    this.#taken = true;
    this.#tell();
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
  }

  #onNode({ type, object }: CacheChange<Node>): void {
    const name = object.metadata?.name ?? '';
    const before = this.#facts.get(name);
    const after = type === 'deleted' ? undefined : factsOf(object);
    if (JSON.stringify(before) === JSON.stringify(after)) return;
    if (after) this.#facts.set(name, after);
    else this.#facts.delete(name);
    if (before?.port !== undefined) this.#place(before.site, name, false);
    if (after?.port !== undefined) this.#place(after.site, name, true);
    this.#stale.add(name);
    if (this.#taken) this.#tell();
  }

  #place(site: string, name: string, isThere: boolean): void {
    const givers = this.#givers.get(site) ?? [];
    const at = indexOf(givers, name);
    if (!isThere && givers[at] === name) givers.splice(at, 1);
    if (isThere && givers[at] !== name) givers.splice(at, 0, name);
    if (givers.length > 0) this.#givers.set(site, givers);
    else this.#givers.delete(site);
    const reach = Math.min(neighboursMax, givers.length);
    for (let step = 1; step <= reach; step += 1) this.#stale.add(around(givers, at - step));
  }

  #tell(): void {
    const { put, remove, onDirty } = this.#options;
    for (const name of this.#stale) {
      const object = this.#neighbours(name);
      if (object)
        put(name, { key: neighboursKey, digest: entryDigest({ ...object }), object: { ...object } });
      else remove(name, neighboursKey);
      if (this.#taken) onDirty(name);
    }
    this.#stale.clear();
  }

  #neighbours(name: string): Neighbours | undefined {
    const own = this.#facts.get(name);
    if (!own) return undefined;
    const givers = own.port === undefined ? [] : (this.#givers.get(own.site) ?? []);
    const at = indexOf(givers, name);
    const count = Math.min(neighboursMax, givers.length - 1);
    const chosen = Array.from({ length: Math.max(0, count) }, (_none, step) => around(givers, at + 1 + step));
    const devices = chosen.sort().flatMap((other) => {
      const { addresses = [], port } = this.#facts.get(other) ?? {};
      return port === undefined || addresses.length === 0 ? [] : [{ name: other, addresses, port }];
    });
    return { site: own.site, devices };
  }
}

interface Facts {
  site: string;
  /** Undefined for one that gives nothing. */
  port: number | undefined;
  addresses: string[];
}

/** Undefined where there is no site. */
function factsOf({ metadata, status }: Readonly<Node>): Facts | undefined {
  const site = metadata?.labels?.[siteLabel];
  if (!site) return undefined;
  const port = Number(metadata?.annotations?.[layersPortAnnotation]);
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return {
    site,
    port: Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined,
    addresses: addresses.map(({ address }) => address).slice(0, addressesMax),
  };
}

function around(names: readonly string[], at: number): string {
  return names[((at % names.length) + names.length) % names.length] ?? '';
}

/** Where the name is, or would have to be. */
function indexOf(sorted: readonly string[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? '') < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
