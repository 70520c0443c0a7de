import { type FileHandle, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The few things the journal asks of a file system, so that a test can cut the power between any two of them. */
export interface Disk {
  /** Undefined when there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>;
  open(path: string): Promise<DiskFile>;
  /**
   * Puts `bytes` in the place of the file, if any, in one step; makes missing folders. After a power cut before the
   * returned file's `sync` either of the two files is there, whole. When this rejects, the old file is untouched.
   */
  replace(path: string, bytes: Uint8Array): Promise<DiskFile>;
}

export interface DiskFile {
  write(bytes: Uint8Array, position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** What was written before is durable when this resolves. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** Desired state may hold Secrets. */
const onlyOwner = 0o600;

export const systemDisk: Disk = {
  async read(path) {
    try {
      return await readFile(path);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
      throw error;
    }
  },

  async open(path) {
    return diskFile(await open(path, 'r+', onlyOwner), undefined);
  },

  async replace(path, bytes) {
    const folder = dirname(path);
    await mkdir(folder, { recursive: true });
    const temporary = `${path}.new`;
    const handle = await open(temporary, 'w', onlyOwner);
    try {
      await writeAll(handle, bytes, 0);
      await handle.sync();
      await rename(temporary, path);
    } catch (error) {
      await handle.close();
      await rm(temporary, { force: true });
      throw error;
    }
    return diskFile(handle, folder);
  },
};

/** `unsyncedFolder` holds a name that is not durable yet; the first sync includes it. */
function diskFile(handle: FileHandle, unsyncedFolder: string | undefined): DiskFile {
  let folder = unsyncedFolder;
  return {
    write: (bytes, position) => writeAll(handle, bytes, position),
    truncate: (length) => handle.truncate(length),
    async sync() {
      await handle.datasync();
      if (folder === undefined) return;
      await syncFolder(folder);
      folder = undefined;
    },
    close: () => handle.close(),
  };
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

/** A single write may be short, e.g. when the disk fills up half way. */
async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const result = await handle.write(bytes, written, bytes.length - written, position + written);
    written += result.bytesWritten;
  }
}
