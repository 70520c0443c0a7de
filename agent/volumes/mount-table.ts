import { readFile } from 'node:fs/promises';
import { run } from '../../lib/exec.ts';

const mountTimeoutMs = 30_000;

/** Points of this mount namespace where something is mounted, at or below `folder`, the deepest first. */
export async function mountsUnder(folder: string): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8');
  const points = text.split('\n').map((line) => unescape(line.split(' ')[4] ?? ''));
  const inside = points.filter((point) => point === folder || point.startsWith(`${folder}/`));
  return inside.sort((one, other) => other.length - one.length);
}

/** Rejects with what `mount` said. */
export async function mountAt(point: string, args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await run('mount', [...args, point], { timeoutMs: mountTimeoutMs });
  if (exitCode !== 0) throw new Error(`mount failed: ${stderr.trim() || `exit status ${exitCode}`}`);
}

/** Unmounts everything at or below `folder`; rejects when something stays, so that nobody deletes what is mounted. */
export async function unmountUnder(folder: string): Promise<void> {
  for (const point of await mountsUnder(folder)) {
    const { exitCode, stderr } = await run('umount', [point], { timeoutMs: mountTimeoutMs });
    if (exitCode !== 0) throw new Error(`umount failed: ${stderr.trim()}`);
  }
  const [left] = await mountsUnder(folder);
  if (left !== undefined) throw new Error(`${left} is still mounted`);
}

/** The kernel writes blanks and the like as backslash and three octal digits. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_match, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}
