import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { HostFiles } from '../host/host-files.ts';

export interface DiskUse {
  bytes: number;
  files: number;
}

/** A pod with more files than this is large enough to be found out without counting the rest. */
const entriesMax = 100_000;
const blockBytes = 512;

/** What the folders hold, on their own file systems; what is not there, or goes away meanwhile, counts nothing. */
export async function diskUse(folders: readonly string[]): Promise<DiskUse> {
  const use: DiskUse = { bytes: 0, files: 0 };
  for (const folder of folders) {
    const device = (await lstat(folder).catch(() => undefined))?.dev;
    if (device === undefined) continue;
    const waiting = [folder];
    for (let path = waiting.pop(); path !== undefined && use.files < entriesMax; path = waiting.pop()) {
      const facts = await lstat(path).catch(() => undefined);
      if (facts?.dev !== device) continue;
      use.files += 1;
      use.bytes += facts.blocks * blockBytes;
      if (!facts.isDirectory()) continue;
      const names = await readdir(path).catch(() => []);
      waiting.push(...names.map((name) => join(path, name)));
    }
  }
  return use;
}

/** Where a container's changes to its image lie on the host, where its engine uses overlayfs. */
export async function writableLayer(
  pid: number,
  { read }: Pick<HostFiles, 'read'>,
): Promise<string | undefined> {
  const mounts = (await read(`/proc/${pid}/mounts`)) ?? '';
  return /^\S+ \/ overlay \S*?\bupperdir=([^,\s]+)/m.exec(mounts)?.[1];
}
