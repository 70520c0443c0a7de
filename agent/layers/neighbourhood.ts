import * as v from 'valibot';
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { type Neighbours, neighboursKey, neighboursSchema } from '../../protocol/kinds/neighbours.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { BlobSource } from './fetch-blob.ts';
import type { LayerStore } from './layer-store.ts';
import type { PeerServer } from './peer-server.ts';
import type { PeerSources } from './peer-sources.ts';

/** Whether this device is at a site, and with whom it shares layers there. What the server said last counts while it is away. */
export interface Neighbourhood extends Disposable {
  /** Layers are of use to others when an image is complete. */
  keeps(): boolean;
  /** Who may have one. */
  peers(): Promise<readonly BlobSource[]>;
  /** From now on layers are kept and given to neighbours while this device is at a site; opened when it is. Once is enough. */
  share(open: () => Promise<LayerStore>): void;
}

export interface NeighbourhoodOptions {
  desired: Pick<DesiredSet, 'entries' | 'onChange'>;
  /** PEM; undefined: nothing is shared. */
  credentials: { key: string; cert: string; ca: string } | undefined;
  clockTrusted: () => boolean;
  /** At which layers are given, if it is free. */
  port: number;
  /** What the node is to say of itself; undefined: it gives none. */
  announce: (port: number | undefined) => void;
  clock: Clock;
  random: Random;
  log: Logger;
}

export function createNeighbourhood(options: NeighbourhoodOptions): Neighbourhood {
  return new SiteNeighbourhood(options);
}

class SiteNeighbourhood implements Neighbourhood {
  readonly #options: NeighbourhoodOptions;
  readonly #subscriptions = new DisposableStack();
  #known: { digest: string; neighbours: Neighbours | undefined } | undefined;
  #sources: Promise<PeerSources> | undefined;
  #server: PeerServer | undefined;
  #sharing = false;
  /** One opening or closing after the other. */
  #changes: Promise<void> = Promise.resolve();

  constructor(options: NeighbourhoodOptions) {
    this.#options = options;
  }

  keeps(): boolean {
    return this.#sharing && this.#neighbours !== undefined;
  }

  async peers(): Promise<readonly BlobSource[]> {
    const { credentials } = this.#options;
    const devices = this.#neighbours?.devices ?? [];
    if (!credentials || devices.length === 0) return [];
    this.#sources ??= import('./peer-sources.ts').then(({ createPeerSources }) =>
      createPeerSources({ ...this.#options, credentials }),
    );
    return (await this.#sources).of(devices);
  }

  share(open: () => Promise<LayerStore>): void {
    if (this.#sharing || this.#subscriptions.disposed) return;
    this.#sharing = true;
    const follow = () => {
      this.#changes = this.#changes
        .then(() => this.#follow(open))
        .catch((error: unknown) => this.#options.log.warn('layers cannot be shared', { error }));
    };
    const { desired } = this.#options;
    this.#subscriptions.use(desired.onChange((keys) => keys.has(neighboursKey) && follow()));
    follow();
  }

  [Symbol.dispose](): void {
    this.#subscriptions.dispose();
    this.#server?.[Symbol.dispose]();
  }

  get #neighbours(): Neighbours | undefined {
    const { desired, credentials } = this.#options;
    const entry = credentials && desired.entries.get(neighboursKey);
    if (!entry) return undefined;
    if (this.#known?.digest !== entry.digest) {
      const parsed = v.safeParse(neighboursSchema, entry.object);
      this.#known = { digest: entry.digest, neighbours: parsed.success ? parsed.output : undefined };
    }
    return this.#known.neighbours;
  }

  async #follow(open: () => Promise<LayerStore>): Promise<void> {
    const { credentials, announce, log } = this.#options;
    const wanted = this.keeps() && !this.#subscriptions.disposed;
    if (wanted === (this.#server !== undefined)) return;
    if (wanted && credentials) {
      const { openPeerServer } = await import('./peer-server.ts');
      this.#server = await openPeerServer({ ...this.#options, credentials, store: await open() });
      log.info('layers are given to devices of the site', { port: this.#server.port });
      // It may have ended while the port was being opened.
      if (this.#subscriptions.disposed) this.#server[Symbol.dispose]();
    } else {
      this.#server?.[Symbol.dispose]();
      this.#server = undefined;
      await (await open()).clear();
    }
    announce(this.#server?.port);
  }
}
