import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { busyboxImage } from './images.ts';
import { finish } from './programs.ts';
import { SmallDisk } from './small-disk.ts';

/** Storage of podman's own on a small disk: nothing of the machine's containers, images and locks is touched. */
export class OwnStorage implements AsyncDisposable {
  readonly disk: SmallDisk;
  /** For whoever shall use it. */
  readonly environment: Readonly<Record<string, string>>;

  private constructor(disk: SmallDisk, environment: Record<string, string>) {
    this.disk = disk;
    this.environment = environment;
  }

  /** With the busybox image in it. Undefined where file systems cannot be mounted. */
  static async create(directory: string, mebibytes: number): Promise<OwnStorage | undefined> {
    const disk = await SmallDisk.mount(mebibytes);
    if (!disk) return undefined;
    await mkdir(directory, { recursive: true });
    const machine = await readFile('/etc/containers/containers.conf', 'utf8').catch(() => '');
    const engine = [
      '[engine]',
      'events_logger = "file"',
      'lock_type = "file"',
      `tmp_dir = "${directory}/tmp"`,
    ];
    const containers = machine.includes('[engine]')
      ? machine.replace('[engine]', engine.join('\n'))
      : [machine, ...engine, ''].join('\n');
    await writeFile(join(directory, 'containers.conf'), containers);
    const storage = [
      '[storage]',
      'driver = "overlay"',
      `graphroot = "${disk.path}/graph"`,
      `runroot = "${directory}/run"`,
      '',
    ];
    await writeFile(join(directory, 'storage.conf'), storage.join('\n'));
    const own = new OwnStorage(disk, {
      CONTAINERS_CONF: join(directory, 'containers.conf'),
      CONTAINERS_STORAGE_CONF: join(directory, 'storage.conf'),
    });
    const archive = join(directory, 'busybox.tar');
    await finish('podman', ['save', '--output', archive, busyboxImage]);
    await own.podman(['load', '--input', archive]);
    return own;
  }

  async podman(args: readonly string[]): Promise<string> {
    const env = { ...process.env, ...this.environment };
    const { code, stdout, stderr } = await finish('podman', args, { env });
    if (code !== 0) throw new Error(`podman ${args.join(' ')}: ${stderr}`);
    return stdout;
  }

  /** An image of this many MiB, under this name. */
  async makeImage(name: string, mebibytes: number): Promise<void> {
    const make = `cat /dev/urandom | head -c ${mebibytes * 2 ** 20} > /big`;
    const container = (
      await this.podman(['run', '--detach', '--network', 'host', busyboxImage, 'sh', '-c', make])
    ).trim();
    await this.podman(['wait', container]);
    await this.podman(['commit', '--quiet', container, name]);
    await this.podman(['rm', container]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disk.free();
    await this.podman(['rm', '--all', '--force', '-t', '0']).catch(() => undefined);
    await finish('umount', ['-l', join(this.disk.path, 'graph/overlay')]);
    await this.disk[Symbol.asyncDispose]();
  }
}
