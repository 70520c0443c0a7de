import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { imageArchive } from '../../../agent/drivers/oci/image-archive.ts';
import { pauseArchitecture } from '../../../agent/drivers/oci/pause-program.ts';
import { run } from '../../../lib/exec.ts';

const applets = ['sh', 'sleep', 'cat', 'echo', 'env', 'stty', 'test', 'head', 'tr', 'readlink', 'hostname'];
const moreApplets = ['true', 'false', 'ls', 'setsid', 'pwd', 'tail', 'httpd', 'wget', 'nc', 'id', 'mkdir'];

/** A small image of Debian's static busybox, made here: tests need no registry. */
export async function testImageArchive(): Promise<{ name: string; archive: Uint8Array }> {
  const busybox = await readFile('/bin/busybox');
  const links = [...applets, ...moreApplets].map((applet) => ({
    name: `bin/${applet}`,
    data: new Uint8Array(),
    mode: 0o755,
    linkTo: 'busybox',
  }));
  const files = [{ name: 'bin/busybox', data: busybox, mode: 0o755 }, ...links];
  const hash = createHash('sha256').update(busybox).update(JSON.stringify(links)).digest('hex');
  const name = `localhost/flotilla-test:${hash.slice(0, 12)}`;
  const architecture = pauseArchitecture(process.arch) ?? process.arch;
  return { name, archive: imageArchive({ name, architecture, files, config: { Cmd: ['/bin/sh'] } }) };
}

/** In an engine. */
export async function testImage(engine: string): Promise<string> {
  const { name, archive } = await testImageArchive();
  const known = await run(engine, ['image', 'inspect', name], { timeoutMs: 30_000 });
  if (known.exitCode === 0) return name;
  const loaded = await run(engine, ['load'], { timeoutMs: 60_000, input: archive });
  if (loaded.exitCode !== 0) throw new Error(`${engine} load: ${loaded.stderr}`);
  return name;
}
