import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finish, hasProgram } from './programs.ts';

/** A tiny image made on the spot from the static busybox of Debian; no registry is asked. */
export const busyboxImage = 'localhost/flotilla-test-busybox:1';

/** Why containers cannot be tested here, or undefined when they can; makes the image when it is missing. */
export async function containersMissing(): Promise<string | undefined> {
  if (!(await hasProgram('podman'))) return 'podman is not installed';
  if ((await finish('podman', ['image', 'exists', busyboxImage])).code === 0) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-image-'));
  try {
    const applets =
      'sh cat echo env sleep ls ps true false wc head tail grep id hostname nc httpd wget kill stty tty seq mkdir touch rm date';
    const script = [
      'set -e',
      `mkdir -p ${directory}/root/bin ${directory}/root/tmp ${directory}/root/etc`,
      `cp "$(command -v busybox)" ${directory}/root/bin/busybox`,
      `for applet in ${applets}; do ln -s busybox ${directory}/root/bin/$applet; done`,
      `echo root:x:0:0:root:/:/bin/sh > ${directory}/root/etc/passwd`,
      `tar -C ${directory}/root -cf ${directory}/image.tar .`,
      `podman import --change 'CMD ["/bin/sh"]' ${directory}/image.tar ${busyboxImage}`,
    ].join('\n');
    const made = await finish('sh', ['-c', script]);
    return made.code === 0 ? undefined : `podman cannot import an image: ${made.stderr.trim()}`;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
