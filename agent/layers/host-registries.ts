import { readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  parseRegistriesConf,
  placesOf,
  type RegistryTable,
  type RepositoryPlaces,
  renderRegistryTable,
} from './registries-conf.ts';
import type { Endpoint } from './repository.ts';

/** The host's settings of container engines: where images come from, and which certificates count there. */
export interface HostRegistries {
  /** Of a repository with its registry, `docker.io/library/nginx`, in the order to be asked. Empty when it is blocked. */
  endpoints(name: string): Promise<Endpoint[]>;
  /**
   * A `registries.conf` that says all that the host's does, and that this repository is to be asked for at `mirror` first
   * (`127.0.0.1:4711/path`). Undefined where the host's settings do not let that be said.
   */
  withMirror(name: string, mirror: string): Promise<string | undefined>;
}

const filesMax = 100;

/** Read anew at each question: an operator changes them while the agent runs. */
export function readHostRegistries(environment: NodeJS.ProcessEnv): HostRegistries {
  return {
    async endpoints(name) {
      const { tables } = await read(environment);
      const places = placesOf(name, tables ?? []);
      if (places.blocked) return [];
      return Promise.all([...places.mirrors, places.own].map(endpoint));
    },
    async withMirror(name, mirror) {
      const { tables, text } = await read(environment);
      if (!tables) return undefined;
      const places = placesOf(name, tables);
      // A second table of one prefix would be a contradiction to the engine.
      if (places.blocked || places.prefix === name) return undefined;
      return `${text}\n${renderRegistryTable(name, mirror, forOlderEngines(places))}`;
    },
  };
}

/** As containers-registries.conf(5) orders them; the folders' files count after the main one. */
async function read(
  environment: NodeJS.ProcessEnv,
): Promise<{ text: string; tables: RegistryTable[] | undefined }> {
  const own = join(homedir(), '.config/containers');
  const given = environment['CONTAINERS_REGISTRIES_CONF'] ?? environment['REGISTRIES_CONFIG_PATH'];
  const text =
    given === undefined
      ? ((await readText(join(own, 'registries.conf'))) ??
        (await readText('/etc/containers/registries.conf')) ??
        '')
      : ((await readText(given)) ?? '');
  const further = await Promise.all(
    ['/etc/containers/registries.conf.d', join(own, 'registries.conf.d')].map((folder) => readFolder(folder)),
  );
  const parsed = [text, ...further.flat()].map(parseRegistriesConf);
  return { text, tables: parsed.includes(undefined) ? undefined : parsed.flatMap((tables) => tables ?? []) };
}

/** `pull-from-mirror` is not known to older engines; a mirror that is for one kind alone is left to the next place. */
function forOlderEngines(places: RepositoryPlaces): RepositoryPlaces {
  return { ...places, mirrors: places.mirrors.filter(({ answers }) => answers === 'all') };
}

async function endpoint(place: RepositoryPlaces['own']): Promise<Endpoint> {
  const slash = place.location.indexOf('/');
  const host = slash < 0 ? place.location : place.location.slice(0, slash);
  const path = slash < 0 ? '' : place.location.slice(slash + 1);
  const folders = ['/etc/containers/certs.d', '/etc/docker/certs.d'].map((folder) => join(folder, host));
  const authorities = (await Promise.all(folders.map((folder) => readFolder(folder, '.crt')))).flat();
  const { insecure, answers } = place;
  return { host, path, insecure, answers, authorities };
}

async function readFolder(folder: string, suffix = '.conf'): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const chosen = names
    .filter((name) => name.endsWith(suffix))
    .sort()
    .slice(0, filesMax);
  const texts = await Promise.all(chosen.map((name) => readText(join(folder, name))));
  return texts.filter((text) => text !== undefined);
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}
