import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finish } from './programs.ts';

/** A small file system in memory, which a test can fill to the last byte. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Undefined where file systems cannot be mounted. */
  static async mount(mebibytes: number): Promise<SmallDisk | undefined> {
    const path = await mkdtemp('/var/tmp/flotilla-small-');
    const { code } = await finish('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]);
    if (code === 0) return new SmallDisk(path);
    await rm(path, { recursive: true, force: true });
    return undefined;
  }

  /** Leaves not a byte. */
  async fill(): Promise<void> {
    await finish('dd', ['if=/dev/zero', `of=${this.#filler}`, 'bs=64k']);
    await finish('sh', ['-c', `cat /dev/zero >> ${this.#filler}`]);
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await finish('umount', ['-l', this.path]);
    await rm(this.path, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }
}
