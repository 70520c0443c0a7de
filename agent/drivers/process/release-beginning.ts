import { ExecError, run } from '../../../lib/exec.ts';

const timeoutMs = 10_000;

/**
 * Gives the room of a file's first `bytes` back to the file system; whoever has the file open goes on as before, and
 * what follows stays where it is (fallocate(2), FALLOC_FL_PUNCH_HOLE: ext4, f2fs, xfs, btrfs, tmpfs). The file's parts
 * of a block that are given back read as zeros.
 *
 * Node has no call for it; util-linux' program is part of every Debian.
 * @returns false when the file system or the machine cannot.
 */
export async function releaseBeginning(file: string, bytes: number): Promise<boolean> {
  const args = ['--punch-hole', '--offset', '0', '--length', String(bytes), file];
  try {
    return (await run('fallocate', args, { timeoutMs })).exitCode === 0;
  } catch (error) {
    if (error instanceof ExecError) return false;
    throw error;
  }
}
