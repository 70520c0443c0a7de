import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  lchown,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  rm,
  statfs,
  symlink,
} from 'node:fs/promises';
import { join } from 'node:path';
import { LayerError } from '../layers/layer-error.ts';
import { decompress } from './decompress.ts';
import { setExtendedAttributes } from './extended-attributes.ts';
import { folderInside, partsOf, plainFolder } from './inside.ts';
import { readTar, type TarMember } from './read-tar.ts';
import { makeWhiteouts } from './whiteouts.ts';

export interface UnpackOptions {
  /** Exists, and is empty. */
  root: string;
  /** The unpacked layers below this one, the highest first. */
  below: readonly string[];
  signal: AbortSignal;
}

export interface Unpacked {
  /** Of the archive when it is not compressed: `sha256:…`. */
  diffId: string;
  /** Of the files' contents. */
  bytes: number;
}

/** Of the disk, which is never filled up for the sake of an image. */
const diskLeftPercent = 5;
const diskLookBytes = 32 * 1024 * 1024;

/**
 * Makes a folder of a layer, as an overlay has it: what the layer removes from those below is a device 0/0. Nothing is ever written
 * outside of `root`, whatever the archive says; devices and pipes are left out, for a container has a /dev of its own. Rejects with
 * LayerError `WrongContent` or `NoRoom`, or with the signal's reason; what is in `root` then is nobody's.
 */
export async function unpackLayer(
  chunks: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<Unpacked> {
  const hash = createHash('sha256');
  const layer = new LayerFolder(options);
  for await (const member of readTar(hashed(decompress(chunks), hash, options.signal)))
    await layer.add(member);
  await layer.finish();
  return { diffId: `sha256:${hash.digest('hex')}`, bytes: layer.bytes };
}

async function* hashed(
  chunks: AsyncIterable<Uint8Array>,
  hash: ReturnType<typeof createHash>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal.throwIfAborted();
    hash.update(chunk);
    yield chunk;
  }
}

type Attributes = Pick<TarMember, 'mode' | 'uid' | 'gid'>;

const whiteoutPrefix = '.wh.';
const opaqueName = '.wh..wh..opq';
const newFolder: Attributes = { mode: 0o755, uid: 0, gid: 0 };
const isRoot = () => process.getuid?.() === 0;

class LayerFolder {
  readonly #options: UnpackOptions;
  /** Given at the end: a folder that is read-only could not be filled. */
  readonly #folders = new Map<string, Attributes>();
  readonly #attributes = new Map<string, TarMember['attributes']>();
  /** Real folders, and names in them that are gone; a folder by itself hides all that is below. */
  readonly #removed: { folder: string; name: string }[] = [];
  readonly #opaque = new Set<string>();
  #sinceDiskLook = diskLookBytes;
  bytes = 0;

  constructor(options: UnpackOptions) {
    this.#options = options;
  }

  async add(member: TarMember): Promise<void> {
    const { root } = this.#options;
    const parts = partsOf(member.path);
    const name = parts.at(-1);
    if (name === undefined) {
      if (member.type === 'directory') this.#folders.set(root, member);
      return;
    }
    const folder = (await this.#folderOf(parts.slice(0, -1))) ?? root;
    if (name === opaqueName) this.#opaque.add(folder);
    else if (name.startsWith(whiteoutPrefix)) this.#remove(folder, name.slice(whiteoutPrefix.length));
    else await this.#make(member, join(folder, name));
  }

  async finish(): Promise<void> {
    const { root, below } = this.#options;
    await makeWhiteouts({ root, below, removed: this.#removed, opaque: this.#opaque });
    await setExtendedAttributes(this.#attributes);
    if (!this.#folders.has(root)) this.#folders.set(root, await this.#attributesBelow([]));
    for (const [path, attributes] of this.#folders) await setOwner(path, attributes, chown);
    // The deepest first: those above may become closed.
    for (const [path, { mode }] of [...this.#folders].reverse()) await chmod(path, mode);
  }

  /** Names that begin so are of another file system's housekeeping. */
  #remove(folder: string, name: string): void {
    if (name === '' || name === '.' || name === '..')
      throw new LayerError('WrongContent', 'the archive removes what has no name');
    if (!name.startsWith(whiteoutPrefix)) this.#removed.push({ folder, name });
  }

  #folderOf(parts: readonly string[]): Promise<string | undefined> {
    return folderInside(this.#options.root, parts, async (path, real) => {
      await mkdir(path, 0o700);
      this.#folders.set(path, await this.#attributesBelow(real));
    });
  }

  /** A folder that the archive does not name is as it was below. */
  async #attributesBelow(parts: readonly string[]): Promise<Attributes> {
    for (const layer of this.#options.below) {
      const found = await plainFolder(layer, parts);
      const stat = found === undefined ? undefined : await lstat(found);
      if (stat) return { mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
    }
    return newFolder;
  }

  async #make(member: TarMember, path: string): Promise<void> {
    if (member.type === 'special') return;
    const known = await lstat(path).catch(() => undefined);
    if (member.type === 'directory' && known?.isDirectory()) {
      this.#folders.set(path, member);
      return;
    }
    if (known) await this.#clear(path);
    if (member.attributes.size > 0 && member.type === 'file') this.#attributes.set(path, member.attributes);
    switch (member.type) {
      case 'directory':
        await mkdir(path, 0o700);
        this.#folders.set(path, member);
        return;
      case 'symlink':
        await symlink(member.target, path);
        await setOwner(path, member, lchown);
        await lutimes(path, member.modifiedMs / 1000, member.modifiedMs / 1000);
        return;
      case 'hardlink':
        return this.#link(member, path);
      case 'file':
        return this.#write(member, path);
    }
  }

  async #clear(path: string): Promise<void> {
    await rm(path, { recursive: true, force: true });
    for (const known of [this.#folders, this.#attributes])
      for (const other of known.keys())
        if (other === path || other.startsWith(`${path}/`)) known.delete(other);
  }

  async #link({ path: name, target }: TarMember, path: string): Promise<void> {
    const parts = partsOf(target);
    const folder = await folderInside(this.#options.root, parts.slice(0, -1));
    const source = folder === undefined ? undefined : join(folder, parts.at(-1) ?? '');
    const found = source === undefined ? undefined : await lstat(source).catch(() => undefined);
    if (source === undefined || !found || found.isDirectory())
      throw new LayerError('WrongContent', `the archive links ${name} to ${target}, which is not in it`);
    await link(source, path);
  }

  async #write(member: TarMember, path: string): Promise<void> {
    await using file = await open(path, 'wx', 0o600);
    for await (const chunk of member.content()) {
      await this.#lookAtDisk(chunk.length);
      await file.writeFile(chunk);
      this.bytes += chunk.length;
    }
    if (isRoot()) await file.chown(member.uid, member.gid);
    await file.chmod(member.mode);
    await file.utimes(member.modifiedMs / 1000, member.modifiedMs / 1000);
  }

  async #lookAtDisk(bytes: number): Promise<void> {
    this.#sinceDiskLook += bytes;
    if (this.#sinceDiskLook < diskLookBytes) return;
    this.#sinceDiskLook = 0;
    const { bavail, blocks } = await statfs(this.#options.root);
    if (bavail < (blocks * diskLeftPercent) / 100)
      throw new LayerError('NoRoom', 'the disk has no room for the unpacked image');
  }
}

/** All is this agent's own where it is not root. */
async function setOwner(
  path: string,
  { uid, gid }: Attributes,
  change: (path: string, uid: number, gid: number) => Promise<void>,
): Promise<void> {
  if (isRoot()) await change(path, uid, gid);
}
