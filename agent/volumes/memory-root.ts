import { createHash } from 'node:crypto';
import { chmod, mkdir, readdir, rmdir, statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { mountAt, mountsUnder, unmountUnder } from './mount-table.ts';

/**
 * A folder in memory for what must not wear the card out or stay on it. Root gets a tmpfs of its own, mounted while
 * a pod needs it (the system's are often `noexec`, and ConfigMaps hold scripts); another user a private folder in
 * the system's, or on disk where there is none.
 */
export interface MemoryRoot {
  readonly path: string;
  /** Makes it; may be repeated. */
  open(): Promise<void>;
  /** Lets go of it once it is empty. */
  close(): Promise<void>;
}

const tmpfsMagic = 0x01021994;
const keyLength = 10;

export async function memoryRoot(dataDir: string): Promise<MemoryRoot> {
  const key = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, keyLength);
  if (process.getuid?.() === 0) return mountedRoot(join('/run/flotilla', key));
  for (const base of [process.env['XDG_RUNTIME_DIR'], '/dev/shm'])
    if (base && (await isMemory(base))) return plainRoot(join(base, `flotilla-${key}`));
  return plainRoot(join(resolve(dataDir), 'volumes-content'));
}

function mountedRoot(path: string): MemoryRoot {
  return {
    path,
    async open() {
      if ((await mountsUnder(path)).includes(path)) return;
      await mkdir(path, { recursive: true, mode: 0o700 });
      await mountAt(path, ['-t', 'tmpfs', '-o', 'mode=0700,nosuid,nodev', 'flotilla']);
    },
    async close() {
      if ((await namesIn(path)).length > 0) return;
      await unmountUnder(path);
      await rmdir(path).catch(() => undefined);
    },
  };
}

function plainRoot(path: string): MemoryRoot {
  return {
    path,
    async open() {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await chmod(path, 0o700);
    },
    async close() {
      await rmdir(path).catch(() => undefined);
    },
  };
}

async function isMemory(folder: string): Promise<boolean> {
  return statfs(folder).then(
    ({ type }) => type === tmpfsMagic,
    () => false,
  );
}

export async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
}
