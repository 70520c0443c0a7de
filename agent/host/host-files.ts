import { readFile, stat, statfs } from 'node:fs/promises';
import { freemem, totalmem } from 'node:os';

/** The little that is read of /proc, /sys and /etc, so that a test can be another machine. */
export interface HostFiles {
  /** Undefined when it is not there or may not be read. */
  read(path: string): Promise<string | undefined>;
  /** Of the file system that holds `path`. */
  space(path: string): Promise<DiskSpace | undefined>;
  /** Without any file; less exact. */
  memory?(): { totalBytes: number; availableBytes: number };
}

export interface DiskSpace {
  totalBytes: number;
  availableBytes: number;
  totalInodes: number;
  freeInodes: number;
}

export const systemFiles: HostFiles = {
  memory: () => ({ totalBytes: totalmem(), availableBytes: freemem() }),
  read: (path) => readFile(path, 'utf8').catch(() => undefined),
  async space(path) {
    try {
      const { bsize, blocks, bavail, files, ffree } = await statfs(path);
      return {
        totalBytes: blocks * bsize,
        availableBytes: bavail * bsize,
        totalInodes: files,
        freeInodes: ffree,
      };
    } catch {
      return undefined;
    }
  },
};

/** As device trees end their strings with a zero byte. */
export function tidy(text: string | undefined): string {
  return (text ?? '').replaceAll('\0', '').trim();
}

/** A number that is the whole content of a file; undefined for `max`, words and no file. */
export function wholeNumber(text: string | undefined): number | undefined {
  const trimmed = tidy(text);
  return /^\d+$/.test(trimmed) ? Number(trimmed) : undefined;
}

/** False where either cannot be looked at. */
export async function onOneDisk(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all(
    [stat(one), stat(other)].map((found) => found.catch(() => undefined)),
  );
  return first !== undefined && first.dev === second?.dev;
}
