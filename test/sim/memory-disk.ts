import type { Disk, DiskFile } from '../../agent/desired/disk.ts';
import type { Random } from '../../lib/random.ts';

/**
 * A disk in memory that keeps apart what was synced and what was only written, and can lose power: `crash` returns the
 * disk as it may look afterwards. Unsynced writes survive in order up to some point, the last one in part.
 */
export class MemoryDisk implements Disk {
  readonly #files = new Map<string, Named>();
  /** Bytes that all files together may hold; writes beyond it are cut short and fail with ENOSPC. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** While set, `sync` fails with it. */
  syncError: Error | undefined;
  syncs = 0;

  read(path: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#files.get(path)?.now.content());
  }

  async open(path: string): Promise<DiskFile> {
    const named = this.#files.get(path);
    if (!named) throw failure('ENOENT');
    return this.#file(named.now, named);
  }

  async replace(path: string, bytes: Uint8Array): Promise<DiskFile> {
    if (this.usedBytes + bytes.length > this.capacityBytes) throw failure('ENOSPC');
    const inode = new Inode(Buffer.from(bytes));
    const named = this.#files.get(path) ?? { now: inode, durable: undefined };
    named.now = inode;
    this.#files.set(path, named);
    return this.#file(inode, named);
  }

  /** What a machine finds after losing power now. */
  crash(random: Random): MemoryDisk {
    const after = new MemoryDisk();
    for (const [path, { now, durable }] of this.#files) {
      const survivor = random.fraction() < 0.5 ? now : (durable ?? now);
      const inode = new Inode(survivor.afterCrash(random));
      after.#files.set(path, { now: inode, durable: inode });
    }
    return after;
  }

  /** Overwrites the file's bytes, as a failing card does. */
  corrupt(path: string, change: (bytes: Buffer) => Buffer): void {
    const named = this.#files.get(path);
    if (named) named.now = named.durable = new Inode(change(Buffer.from(named.now.content())));
  }

  get usedBytes(): number {
    return this.#files.values().reduce((sum, { now }) => sum + now.content().length, 0);
  }

  #file(inode: Inode, named: Named): DiskFile {
    return {
      write: async (bytes, position) => {
        const room = Math.max(0, this.capacityBytes - this.usedBytes);
        const growth = Math.max(0, position + bytes.length - inode.content().length);
        const kept = growth <= room ? bytes : bytes.subarray(0, Math.max(0, bytes.length - growth + room));
        inode.change({ position, bytes: Buffer.from(kept) });
        if (kept.length < bytes.length) throw failure('ENOSPC');
      },
      truncate: async (length) => inode.change({ position: length, bytes: undefined }),
      sync: async () => {
        this.syncs++;
        if (this.syncError) throw this.syncError;
        inode.sync();
        if (named.now === inode) named.durable = inode;
      },
      close: async () => {},
    };
  }
}

interface Named {
  now: Inode;
  /** What the folder on the disk points to; undefined when it does not know the name yet. */
  durable: Inode | undefined;
}

interface Change {
  position: number;
  /** Undefined cuts the file off at `position`. */
  bytes: Buffer | undefined;
}

class Inode {
  #synced: Buffer;
  #unsynced: Change[] = [];
  #current: Buffer;

  constructor(content: Buffer) {
    this.#synced = content;
    this.#current = content;
  }

  content(): Buffer {
    return this.#current;
  }

  change(change: Change): void {
    this.#unsynced.push(change);
    this.#current = applied(this.#current, change);
  }

  sync(): void {
    this.#synced = this.#current;
    this.#unsynced = [];
  }

  afterCrash(random: Random): Buffer {
    const count = Math.floor(random.fraction() * (this.#unsynced.length + 1));
    const whole = this.#unsynced.slice(0, count).reduce(applied, this.#synced);
    const last = this.#unsynced[count];
    if (!last?.bytes) return whole;
    const kept = last.bytes.subarray(0, Math.floor(random.fraction() * last.bytes.length));
    const zeros = random.fraction() < 0.3 ? Buffer.alloc(last.bytes.length - kept.length) : Buffer.alloc(0);
    return applied(whole, { position: last.position, bytes: Buffer.concat([kept, zeros]) });
  }
}

function applied(content: Buffer, { position, bytes }: Change): Buffer {
  if (!bytes) return content.subarray(0, position);
  const next = Buffer.alloc(Math.max(content.length, position + bytes.length));
  content.copy(next);
  bytes.copy(next, position);
  return next;
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}
