import { lstat, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../lib/exec.ts';
import { systemProgram } from './system-program.ts';

/**
 * The files of a container from the layers of its image: an overlay over them where the kernel has that, else a copy. All of it is in the
 * container's folder:
 *
 *   layers/<n>         links to the unpacked layers, the highest first
 *   upper/, overlay/   what the container writes, and what the kernel needs for that
 *   rootfs/            where it is put together, or the copy
 *
 * The overlay is mounted in a mount namespace of its own and ends with the last process in it.
 *
 * Arguments: mount program, the container's folder, how many layers to put together (0: it is a copy), then the command.
 */
const rootScript = `
cd "$2" || exit 128
if [ "$3" -gt 0 ]; then
  __fl_lower=0 __fl_next=1
  while [ "$__fl_next" -lt "$3" ]; do
    __fl_lower="$__fl_lower:$__fl_next" __fl_next=$((__fl_next + 1))
  done
  cd layers && "$1" -t overlay -o "lowerdir=$__fl_lower,upperdir=../upper,workdir=../overlay" overlay ../rootfs &&
    cd .. || exit 128
fi
shift 3
exec "$@"
`;

const tryTimeoutMs = 10_000;

export interface ImageRoot {
  folder: string;
  /** How many are put together by the kernel. */
  layers: number;
  /** Mounts that the host makes later are to be seen. */
  follows: boolean;
}

/** Makes the folders anew. `layers`: the highest first. */
export async function makeImageRoot(
  folder: string,
  layers: readonly string[],
  { overlays, follows }: { overlays: boolean; follows: boolean },
): Promise<ImageRoot> {
  for (const name of ['layers', 'upper', 'overlay', 'rootfs'])
    await rm(join(folder, name), { recursive: true, force: true });
  await mkdir(join(folder, 'rootfs'), { mode: 0o755 });
  if (!overlays) {
    const { copyLayer } = await import('../../unpacked/whiteouts.ts');
    for (const layer of [...layers].reverse()) await copyLayer(layer, join(folder, 'rootfs'));
    return { folder, layers: 0, follows };
  }
  const top = layers[0] === undefined ? undefined : await lstat(layers[0]);
  await mkdir(join(folder, 'layers'), { mode: 0o700 });
  await mkdir(join(folder, 'upper'), { mode: (top?.mode ?? 0o755) & 0o7777 });
  await mkdir(join(folder, 'overlay'), { mode: 0o700 });
  for (const [index, layer] of layers.entries()) await symlink(layer, join(folder, 'layers', String(index)));
  return { folder, layers: layers.length, follows };
}

/** Before the words of a runtime program. */
export function inImageRoot({ folder, layers, follows }: ImageRoot, command: readonly string[]): string[] {
  const own = [systemProgram('unshare'), '--mount', '--propagation', follows ? 'slave' : 'private'];
  const script = ['/bin/sh', '-c', rootScript, 'flotilla-root'];
  return [...own, ...script, systemProgram('mount'), folder, String(layers), ...command];
}

/** Whether the kernel puts layers together in this folder. */
export async function hasOverlays(place: string): Promise<boolean> {
  const folder = await mkdtemp(join(place, 'overlay-'));
  try {
    await mkdir(join(folder, 'lower'));
    await makeImageRoot(folder, [join(folder, 'lower')], { overlays: true, follows: false });
    const [command = '', ...args] = inImageRoot({ folder, layers: 1, follows: false }, ['true']);
    return (await run(command, args, { timeoutMs: tryTimeoutMs })).exitCode === 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
