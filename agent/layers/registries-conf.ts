/**
 * What podman's `registries.conf` (version 2) says of where images come from, read as far as pulls by a full name need it. Keys
 * and their meaning: containers-registries.conf(5).
 */
export interface RegistryTable {
  /** `registry.example`, `registry.example/team`, `*.example`. */
  prefix: string;
  /** In place of the prefix; '' where that stands. */
  location: string;
  insecure: boolean;
  blocked: boolean;
  mirrorByDigestOnly: boolean;
  mirrors: MirrorTable[];
}

export interface MirrorTable {
  location: string;
  insecure: boolean;
  pullFrom: 'all' | 'digest-only' | 'tag-only';
}

/** Where one repository is had, in order. */
export interface RegistryPlace {
  /** `registry.example:5000/team/app`. */
  location: string;
  insecure: boolean;
  answers: 'all' | 'digests' | 'tags';
}

export interface RepositoryPlaces {
  mirrors: RegistryPlace[];
  own: RegistryPlace;
  /** Of the table that decides; undefined when none does. */
  prefix: string | undefined;
  blocked: boolean;
}

/** Undefined for text that says more than is understood here: version 1, or tables in another form. */
export function parseRegistriesConf(text: string): RegistryTable[] | undefined {
  const tables: RegistryTable[] = [];
  let current: Record<string, string | boolean> | undefined;
  const ends: (() => void)[] = [];
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const header = /^\[(\[?)\s*([^\]]+?)\s*\]/.exec(line);
    if (header) {
      const [, list, name = ''] = header;
      if (/^registries\b/.test(name) || (name.startsWith('registry') && list === '')) return undefined;
      current = undefined;
      const keys = {};
      if (name === 'registry') ends.push(() => tables.push(registryTable(keys)));
      else if (name === 'registry.mirror')
        ends.push(() => void tables.at(-1)?.mirrors.push(mirrorTable(keys)));
      else continue;
      current = keys;
      continue;
    }
    const pair = /^([\w-]+)\s*=\s*(?:"([^"\\]*)"|'([^']*)'|(true|false))\s*(?:#.*)?$/.exec(line);
    const [, key = '', quoted, plain, truth] = pair ?? [];
    if (current && !pair) return undefined;
    if (!current && /^registry\b/.test(line)) return undefined;
    if (current) current[key] = quoted ?? plain ?? truth === 'true';
  }
  for (const end of ends) end();
  return tables;
}

function registryTable(keys: Record<string, string | boolean>): RegistryTable {
  const location = words(keys['location']);
  return {
    prefix: words(keys['prefix']) || location,
    location,
    insecure: keys['insecure'] === true,
    blocked: keys['blocked'] === true,
    mirrorByDigestOnly: keys['mirror-by-digest-only'] === true,
    mirrors: [],
  };
}

function mirrorTable(keys: Record<string, string | boolean>): MirrorTable {
  const pullFrom = keys['pull-from-mirror'];
  return {
    location: words(keys['location']),
    insecure: keys['insecure'] === true,
    pullFrom: pullFrom === 'digest-only' || pullFrom === 'tag-only' ? pullFrom : 'all',
  };
}

function words(value: string | boolean | undefined): string {
  return typeof value === 'string' ? value.replace(/\/$/, '') : '';
}

/** `name` is a repository with its registry: `docker.io/library/nginx`. A later table counts before an earlier one of the same prefix. */
export function placesOf(name: string, tables: readonly RegistryTable[]): RepositoryPlaces {
  const table = tables
    .filter(({ prefix }) => prefix !== '' && isUnder(name, prefix))
    .reduce<RegistryTable | undefined>(
      (best, one) => (best && best.prefix.length > one.prefix.length ? best : one),
      undefined,
    );
  const host = /^[^/]*/.exec(name)?.[0] ?? '';
  const matched = table?.prefix.startsWith('*.') ? host : (table?.prefix ?? '');
  const rest = name.slice(matched.length);
  const at = (location: string) => (location === '' ? name : location + rest);
  const own = {
    location: at(table?.location ?? ''),
    insecure: table?.insecure ?? false,
    answers: 'all' as const,
  };
  const mirrors = (table?.mirrors ?? [])
    .filter(({ location }) => location !== '')
    .map(({ location, insecure, pullFrom }) => ({
      location: at(location),
      insecure,
      answers: table?.mirrorByDigestOnly ? ('digests' as const) : answersOf[pullFrom],
    }));
  return { mirrors, own, prefix: table?.prefix, blocked: table?.blocked ?? false };
}

const answersOf = { all: 'all', 'digest-only': 'digests', 'tag-only': 'tags' } as const;

function isUnder(name: string, prefix: string): boolean {
  if (!prefix.startsWith('*.')) return name === prefix || name.startsWith(`${prefix}/`);
  return (/^[^:/]*/.exec(name)?.[0] ?? '').endsWith(prefix.slice(1));
}

/** The same places with one more before them, for the engine. */
export function renderRegistryTable(name: string, first: string, { mirrors, own }: RepositoryPlaces): string {
  const from = { all: 'all', digests: 'digest-only', tags: 'tag-only' } as const;
  const lines = [
    '',
    '[[registry]]',
    `prefix = "${name}"`,
    `location = "${own.location}"`,
    `insecure = ${own.insecure}`,
    '[[registry.mirror]]',
    `location = "${first}"`,
    'insecure = true',
    ...mirrors.flatMap(({ location, insecure, answers }) => [
      '[[registry.mirror]]',
      `location = "${location}"`,
      `insecure = ${insecure}`,
      ...(answers === 'all' ? [] : [`pull-from-mirror = "${from[answers]}"`]),
    ]),
    '',
  ];
  return lines.join('\n');
}
