import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Logger } from '../../lib/log.ts';
import type { Random } from '../../lib/random.ts';
import { type Neighbours, neighboursKey, neighboursSchema } from '../../protocol/kinds/neighbours.ts';
import type { DesiredSet } from '../desired/desired-set.ts';
import type { BlobSource } from './fetch-blob.ts';
import type { Blob } from './image-manifest.ts';
import { LayerError } from './layer-error.ts';
import type { LayerStore } from './layer-store.ts';
import type { PeerServer } from './peer-server.ts';
import type { PeerSources } from './peer-sources.ts';

/** Whether this device is at a site, and with whom it shares layers there. What the server said last counts while it is away. */
export interface Neighbourhood extends Disposable {
  /** Layers are of use to others when an image is complete. */
  keeps(): boolean;
  /** Who may have it, in the order to be asked. */
  peers(blob: Blob): Promise<readonly BlobSource[]>;
  /** From now on layers are kept and given to neighbours while this device is at a site; opened when it is. Once is enough. */
  share(open: () => Promise<LayerStore>): void;
}

export interface NeighbourhoodOptions {
  /** Of this device. */
  name: string;
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

/**
 * When all devices of a site want something new at once, one of them fetches it and the others have it from there: of those that
 * know each other it is the same one for all. It gets a head start where that is worth the wait.
 */
const headStartMs = 1_500;
const largeBytesMin = 2_000_000;

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

  async peers({ digest, size }: Blob): Promise<readonly BlobSource[]> {
    const { credentials } = this.#options;
    const devices = this.#neighbours?.devices ?? [];
    if (!credentials || devices.length === 0) return [];
    this.#sources ??= import('./peer-sources.ts').then(({ createPeerSources }) =>
      createPeerSources({ ...this.#options, credentials }),
    );
    const sources = await this.#sources;
    const names = [this.#options.name, ...devices.map(({ name }) => name)];
    if (size < largeBytesMin || firstFor(digest, names) === this.#options.name) return sources.of(devices);
    return [...sources.of(devices), this.#pause, ...sources.of(devices)];
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

  /** Has nothing, and takes its time to say so. */
  get #pause(): BlobSource {
    const { clock } = this.#options;
    return {
      name: 'nobody',
      isPeer: true,
      async open({ digest }, { signal }) {
        await sleep(clock, headStartMs, signal);
        throw new LayerError('NotFound', `nobody here has ${digest}`);
      },
    };
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

/** Equal for all who choose among the same names, and another one for each blob. */
function firstFor(digest: string, names: readonly string[]): string {
  const place = (name: string) => createHash('sha256').update(`${digest} ${name}`).digest('hex');
  return names.reduce((best, name) => (place(name) < place(best) ? name : best));
}
