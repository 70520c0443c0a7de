import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { pauseArchitecture } from '../../../agent/drivers/oci/pause-program.ts';
import { tarArchive } from '../../../agent/drivers/oci/tar.ts';
import { finish, freePort, hasProgram, Running, until } from './programs.ts';

/** Debian's registry on loopback, and images made here and put into it. */
export interface Registry {
  /** `127.0.0.1:5000`. */
  host: string;
  port: number;
  /** Puts an image of busybox and further layers there; returns its digest. */
  push(name: string, options?: { layerBytes?: readonly number[] }): Promise<string>;
  /** What was asked of it, as `GET /v2/… 200`, when it was started with `tells`. */
  asked(): string[];
  /** A dockerconfigjson for it. */
  dockerConfig(password: string, host?: string): string;
}

interface Ending {
  after(task: () => Promise<void> | void): void;
}

export const registryUser = 'anna';
export const registryPassword = 'right';
/** Of that user with that password. */
const htpasswd = '$2y$05$abcdefghijklmnopqrstuu8xaCxxL82bnl.UY74PMksDxIJShppPC';

export async function registryMissing(): Promise<string | undefined> {
  return (await hasProgram('docker-registry')) ? undefined : 'docker-registry is not installed';
}

export async function startRegistry(context: Ending, { tells = false } = {}): Promise<Registry> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-registry-'));
  const port = await freePort();
  await writeFile(join(directory, 'users'), `${registryUser}:${htpasswd}\n`);
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: !tells } },
    storage: { filesystem: { rootdirectory: join(directory, 'data') } },
    http: { addr: `127.0.0.1:${port}` },
    auth: { htpasswd: { realm: 'test', path: join(directory, 'users') } },
  };
  await writeFile(join(directory, 'config.yml'), JSON.stringify(settings));
  const program = new Running('docker-registry', ['serve', join(directory, 'config.yml')]);
  context.after(async () => {
    await program.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  });
  const host = `127.0.0.1:${port}`;
  await until('the registry', () => fetch(`http://${host}/v2/`), { describe: () => program.output });
  return {
    host,
    port,
    asked: () =>
      [...program.output.matchAll(/"([A-Z]+ \/v2\/\S*) HTTP\/[\d.]+" (\d+)/g)].map(
        ([, what, status]) => `${what} ${status}`,
      ),
    push: (name, { layerBytes = [] } = {}) => pushImage(host, name, layerBytes),
    dockerConfig: (password, at = host) =>
      JSON.stringify({ auths: { [at]: { username: registryUser, password } } }),
  };
}

async function pushImage(host: string, name: string, layerBytes: readonly number[]): Promise<string> {
  const [repository = '', tag = 'latest'] = name.split(':');
  const base = `http://${host}/v2/${repository}`;
  const layers = [await busyboxLayer(), ...layerBytes.map(randomLayer)];
  const packed = layers.map((layer) => gzipSync(layer, { level: 1 }));
  const config = Buffer.from(
    JSON.stringify({
      architecture: pauseArchitecture(process.arch),
      os: 'linux',
      config: { Cmd: ['/bin/sleep', '1000'] },
      rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
    }),
  );
  for (const blob of [...packed, config]) await pushBlob(base, blob);
  const type = 'application/vnd.docker.distribution.manifest.v2+json';
  const describe = (mediaType: string, blob: Uint8Array) => ({
    mediaType,
    size: blob.length,
    digest: digestOf(blob),
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: type,
    config: describe('application/vnd.docker.container.image.v1+json', config),
    layers: packed.map((blob) => describe('application/vnd.docker.image.rootfs.diff.tar.gzip', blob)),
  });
  const headers = { ...authorization, 'Content-Type': type };
  await must(`${base}/manifests/${tag}`, { method: 'PUT', headers, body: manifest });
  return digestOf(Buffer.from(manifest));
}

const authorization = {
  Authorization: `Basic ${Buffer.from(`${registryUser}:${registryPassword}`).toString('base64')}`,
};

async function pushBlob(base: string, blob: Uint8Array): Promise<void> {
  const begun = await must(`${base}/blobs/uploads/`, { method: 'POST', headers: authorization });
  const location = new URL(begun.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digestOf(blob));
  await must(location.href, { method: 'PUT', headers: authorization, body: blob.slice() });
}

async function must(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  return response;
}

async function busyboxLayer(): Promise<Uint8Array> {
  const applets = ['sh', 'sleep', 'echo', 'cat', 'true'].map((applet) => ({
    name: `bin/${applet}`,
    data: new Uint8Array(),
    mode: 0o755,
    linkTo: 'busybox',
  }));
  return tarArchive([{ name: 'bin/busybox', data: await readFile('/bin/busybox'), mode: 0o755 }, ...applets]);
}

/** Its content is nowhere else, and cannot be packed. */
function randomLayer(bytes: number): Uint8Array {
  const data = randomBytes(bytes);
  return tarArchive([{ name: `data-${digestOf(data).slice(7, 19)}`, data, mode: 0o644 }]);
}

function digestOf(data: Uint8Array): string {
  return `sha256:${createHash('sha256').update(data).digest('hex')}`;
}

/** A link to a port that can be slow, cut and mended, and counts what comes through it towards the client. */
export interface BadLink {
  host: string;
  receivedBytes: number;
  /** What may still come through before the link is cut. */
  budgetBytes: number;
  bytesPerSecond: number;
  /** How often somebody was cut. */
  refused: number;
}

export async function startBadLink(context: Ending, port: number): Promise<BadLink> {
  const link: BadLink = {
    host: `127.0.0.1:${await freePort()}`,
    receivedBytes: 0,
    budgetBytes: Number.POSITIVE_INFINITY,
    bytesPerSecond: Number.POSITIVE_INFINITY,
    refused: 0,
  };
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', end).on('close', () => {
        open.delete(socket);
        end();
      });
    }
    near.pipe(far);
    far.on('data', (chunk) => {
      if (link.budgetBytes < chunk.length) {
        link.refused += 1;
        return end();
      }
      link.budgetBytes -= chunk.length;
      link.receivedBytes += chunk.length;
      near.write(chunk);
      far.pause();
      setTimeout(() => far.resume(), (chunk.length / link.bytesPerSecond) * 1000);
    });
  });
  await new Promise<void>((resolve) => server.listen(Number(link.host.split(':')[1]), '127.0.0.1', resolve));
  context.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return link;
}

/** An engine's settings for one agent: images of its own, and registries on loopback that speak plain HTTP. */
export async function ownEngine(context: Ending, registries: readonly string[]): Promise<OwnEngine> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-engine-'));
  const storage = join(directory, 'storage.conf');
  const registriesFile = join(directory, 'registries.conf');
  await writeFile(
    storage,
    `[storage]\ndriver = "overlay"\ngraphroot = "${directory}/root"\nrunroot = "${directory}/run"\n`,
  );
  await writeFile(
    registriesFile,
    registries.map((location) => `[[registry]]\nlocation = "${location}"\ninsecure = true\n`).join('\n'),
  );
  const environment = { CONTAINERS_STORAGE_CONF: storage, CONTAINERS_REGISTRIES_CONF: registriesFile };
  const podman = async (...args: string[]) => {
    const { stdout } = await finish('podman', args, { env: { ...process.env, ...environment } });
    return stdout;
  };
  context.after(async () => {
    await podman('rm', '--all', '--force', '--time', '0');
    await podman('rmi', '--all', '--force');
    await finish('umount', [join(directory, 'root/overlay')]);
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  return { environment, podman };
}

export interface OwnEngine {
  environment: Readonly<Record<string, string>>;
  podman: (...args: string[]) => Promise<string>;
}
