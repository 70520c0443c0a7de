import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Cut-away files that one reader keeps open until it has read them; kubelet keeps as many on disk. */
export const keptFilesMax = 4;

/**
 * A log that is replaced by an empty file of the same name when it has grown too long. While it is followed, what was
 * replaced stays open until it is read: nothing is lost unless the reader is `keptFilesMax` files behind.
 */
export class LogFiles implements AsyncDisposable {
  readonly #path: string;
  readonly #files: { handle: FileHandle; inode: number }[] = [];
  readonly #waiting = new Set<() => void>();
  #watcher: FSWatcher | undefined;
  #position = 0;
  #changed = false;
  #closed = false;
  #looking: Promise<void> | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /** A log that nobody has written yet is empty. */
  static async open(path: string, { follow }: { follow: boolean }): Promise<LogFiles> {
    const files = new LogFiles(path);
    if (follow) files.#watch();
    await files.#look();
    return files;
  }

  /** The file that is read now. */
  get current(): FileHandle | undefined {
    return this.#files[0]?.handle;
  }

  seek(position: number): void {
    this.#position = position;
  }

  /** What comes next, at most `length` bytes; empty when there is no more yet. `fresh`: at the beginning of a file. */
  async read(length: number): Promise<{ data: Buffer; fresh: boolean }> {
    if (this.#watcher) await this.#look();
    for (;;) {
      const [first, next] = this.#files;
      if (!first) return { data: Buffer.alloc(0), fresh: false };
      const fresh = this.#position === 0;
      const { bytesRead, buffer } = await first.handle.read(Buffer.alloc(length), 0, length, this.#position);
      this.#position += bytesRead;
      if (bytesRead > 0) return { data: buffer.subarray(0, bytesRead), fresh };
      // A file that was replaced before it was read to its end got its last bytes before.
      if (!next) return { data: Buffer.alloc(0), fresh: false };
      this.#files.shift();
      this.#position = 0;
      await first.handle.close();
    }
  }

  /** Resolves when something may have been written since the last read. */
  async changed(): Promise<void> {
    if (!this.#changed && !this.#closed) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    this.#changed = false;
    this.#waiting.clear();
  }

  /** Wakes who waits for a change. */
  wake(): void {
    this.#changed = true;
    for (const done of this.#waiting) done();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    this.wake();
    await this.#looking;
    for (const { handle } of this.#files.splice(0)) await handle.close();
  }

  #watch(): void {
    try {
      this.#watcher = watch(dirname(this.#path), { persistent: false }, () => {
        void this.#look().catch(() => {});
        this.wake();
      });
      this.#watcher.on('error', () => this.wake());
    } catch {
      // Without it the reader looks now and then.
    }
  }

  /** Holds on to the file of the name, if it is not the one known. */
  #look(): Promise<void> {
    this.#looking ??= this.#openNewest().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #openNewest(): Promise<void> {
    const seen = await stat(this.#path).catch(() => undefined);
    if (!seen || seen.ino === this.#files.at(-1)?.inode) return;
    const handle = await open(this.#path, 'r').catch(() => undefined);
    if (!handle) return;
    this.#files.push({ handle, inode: (await handle.stat()).ino });
    if (this.#files.length <= keptFilesMax + 1) return;
    const [dropped] = this.#files.splice(1, 1);
    await dropped?.handle.close();
  }
}
