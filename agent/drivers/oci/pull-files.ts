import { mkdir, mkdtemp, readdir, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../../lib/clock.ts';
import type { RegistryCredential } from '../driver.ts';
import type { Engine } from './engine.ts';

/**
 * What a pull needs beside it: a credential in a file that is in memory, private, and gone afterwards (never an argument,
 * which everybody can read), and a folder of its own for what is on the way, so that it can be measured and nothing is left
 * of a pull that was cut off.
 */
export interface PullFiles extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  /** How much has arrived of layers that are not complete. */
  arrivedBytes(): Promise<number>;
}

export interface PullFilesOptions {
  /** Of this agent alone. */
  folder: string;
  owner: string;
  engine: Engine;
  credential: RegistryCredential | undefined;
  /** In place of the host's `registries.conf`. */
  registries: string | undefined;
}

const arrivalLookMs = 10_000;
const tmpfsMagic = 0x01021994;
/** As of this version podman takes a file over the host's settings instead of in their place. */
const overridesSince = 5;
/** One layer after the other, each kept when it is complete: a cut link costs one layer, not all that were begun. */
const oneByOne = 'image_parallel_copies = 1';

export async function openPullFiles(options: PullFilesOptions): Promise<PullFiles> {
  const { folder, owner, engine, credential, registries } = options;
  await using stack = new AsyncDisposableStack();
  await mkdir(join(folder, 'pulls'), { recursive: true, mode: 0o700 });
  const work = stack.adopt(await mkdtemp(join(folder, 'pulls', 'pull-')), removeFolder);
  const auth = credential && stack.adopt(await writeCredential(credential, owner), removeFolder);
  const own = engine.command === 'podman' ? await podmanSettings(work, engine) : {};
  const environment = {
    ...own,
    ...(registries === undefined ? {} : await registriesFile(work, registries)),
    ...(auth === undefined ? {} : { REGISTRY_AUTH_FILE: join(auth, 'config.json'), DOCKER_CONFIG: auth }),
  };
  const parts = stack.move();
  return {
    environment,
    arrivedBytes: () => bytesIn(work),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Calls back with what has arrived, now and then until disposed. */
export function watchArrival(
  arrivedBytes: () => number | Promise<number>,
  clock: Clock,
  onArrived: (bytes: number) => void,
): Disposable {
  const look = () => {
    void Promise.resolve(arrivedBytes()).then(onArrived);
    timer = clock.after(arrivalLookMs, look, { unref: true });
  };
  let timer = clock.after(arrivalLookMs, look, { unref: true });
  return { [Symbol.dispose]: () => timer.cancel() };
}

/** What an agent that was killed has left. */
export async function removePullFiles({ folder, owner }: { folder: string; owner: string }): Promise<void> {
  await removeFolder(join(folder, 'pulls'));
  const base = await memoryFolder();
  for (const name of await readdir(base).catch(() => []))
    if (name.startsWith(credentialPrefix(owner))) await removeFolder(join(base, name));
}

async function podmanSettings(work: string, { version }: Engine): Promise<Record<string, string>> {
  const path = join(work, 'containers.conf');
  const overrides = Number.parseInt(version, 10) >= overridesSince;
  const base = overrides ? '' : await hostSettings();
  if (base.includes('image_parallel_copies')) return { TMPDIR: work };
  const text = /^\s*\[engine\]\s*$/m.test(base)
    ? base.replace(/^\s*\[engine\]\s*$/m, (line) => `${line}\n${oneByOne}`)
    : `${base}\n[engine]\n${oneByOne}\n`;
  await writeFile(path, text);
  return { TMPDIR: work, [overrides ? 'CONTAINERS_CONF_OVERRIDE' : 'CONTAINERS_CONF']: path };
}

async function registriesFile(work: string, text: string): Promise<Record<string, string>> {
  const path = join(work, 'registries.conf');
  await writeFile(path, text, { mode: 0o600 });
  return { CONTAINERS_REGISTRIES_CONF: path };
}

async function hostSettings(): Promise<string> {
  const given = process.env['CONTAINERS_CONF'];
  return readFile(given ?? '/etc/containers/containers.conf', 'utf8').catch(() => '');
}

async function writeCredential({ registry, ...auth }: RegistryCredential, owner: string): Promise<string> {
  const folder = await mkdtemp(join(await memoryFolder(), credentialPrefix(owner)));
  // Docker knows its own registry by an older name.
  const keys = registry === 'docker.io' ? [registry, 'https://index.docker.io/v1/'] : [registry];
  const auths = Object.fromEntries(keys.map((key) => [key, auth]));
  await writeFile(join(folder, 'config.json'), JSON.stringify({ auths }), { mode: 0o600, flag: 'wx' });
  return folder;
}

function credentialPrefix(owner: string): string {
  return `flotilla-pull-${owner}-`;
}

async function memoryFolder(): Promise<string> {
  for (const folder of [process.env['XDG_RUNTIME_DIR'], '/run', '/dev/shm']) {
    if (folder === undefined || (folder === '/run' && process.getuid?.() !== 0)) continue;
    const type = await statfs(folder).then(
      (found) => found.type,
      () => undefined,
    );
    if (type === tmpfsMagic) return folder;
  }
  return tmpdir();
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (found) => (found.isFile() ? found.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
