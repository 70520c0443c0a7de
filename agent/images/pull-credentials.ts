import * as v from 'valibot';
import type { Secret } from '../../protocol/generated/models.ts';
import type { RegistryCredential } from '../drivers/driver.ts';
import { qualifiedReference } from '../drivers/oci/image-reference.ts';

/**
 * Which credentials of pull secrets are for an image: those whose registry, with an optional path, is the beginning of the
 * image's name. A name of the registry may hold `*` for one or a part of one label (`*.example.com`), as Kubernetes has it.
 */
const text = v.optional(v.string());
const entry = v.looseObject({
  username: text,
  password: text,
  auth: text,
  identitytoken: text,
  registrytoken: text,
});
const entries = v.record(v.string(), entry);
const dockerConfig = v.looseObject({ auths: v.optional(entries, {}) });

const candidatesMax = 16;
/** All are one: Docker Hub has had several names. */
const dockerHub = /^(?:index\.|registry-1\.)?docker\.io$/;

/** The best first: the one with the longest path, then in the order of the secrets. Those that cannot be read count for nothing. */
export function credentialsFor(image: string, secrets: readonly Readonly<Secret>[]): RegistryCredential[] {
  const target = parsePlace(qualifiedReference(image).replace(/@.*$/, ''));
  const found = secrets.flatMap(entriesOf).flatMap(({ key, ...own }) => {
    const place = parsePlace(key);
    const auth = authOf(own.entry);
    if (!auth || !isFor(place, target)) return [];
    return [{ depth: place.path.length, credential: { registry: target.host, ...auth } }];
  });
  return found
    .sort((one, other) => other.depth - one.depth)
    .slice(0, candidatesMax)
    .map(({ credential }) => credential);
}

type Entry = v.InferOutput<typeof entry>;

function entriesOf({ type, data }: Readonly<Secret>): { key: string; entry: Entry }[] {
  const config = decoded(data?.['.dockerconfigjson']);
  const legacy = decoded(data?.['.dockercfg']);
  if (type === 'kubernetes.io/dockerconfigjson' && config !== undefined) {
    const parsed = v.safeParse(dockerConfig, config);
    return parsed.success ? pairs(parsed.output.auths) : [];
  }
  if (type !== 'kubernetes.io/dockercfg' || legacy === undefined) return [];
  const parsed = v.safeParse(entries, legacy);
  return parsed.success ? pairs(parsed.output) : [];
}

function pairs(record: Record<string, Entry>): { key: string; entry: Entry }[] {
  return Object.entries(record).map(([key, value]) => ({ key, entry: value }));
}

function decoded(base64: string | undefined): unknown {
  if (base64 === undefined) return undefined;
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString()) as unknown;
  } catch {
    return undefined;
  }
}

function authOf({ auth, username, password, identitytoken, registrytoken }: Entry) {
  const basic =
    auth || (username === undefined ? '' : Buffer.from(`${username}:${password ?? ''}`).toString('base64'));
  if (!basic && !identitytoken && !registrytoken) return undefined;
  return {
    ...(basic ? { auth: basic } : {}),
    ...(identitytoken ? { identitytoken } : {}),
    ...(registrytoken ? { registrytoken } : {}),
  };
}

interface Place {
  /** With its port, if it has one. */
  host: string;
  path: readonly string[];
}

function parsePlace(key: string): Place {
  const [host = '', ...path] = key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .split('/')
    .filter((part) => part !== '');
  return { host: dockerHub.test(host) ? 'docker.io' : host.toLowerCase(), path: path.map(withoutTag) };
}

function withoutTag(part: string): string {
  return part.replace(/:.*$/, '');
}

function isFor(place: Place, target: Place): boolean {
  return isHostFor(place.host, target.host) && place.path.every((part, at) => part === target.path[at]);
}

function isHostFor(pattern: string, host: string): boolean {
  const [patternName = '', patternPort = ''] = pattern.split(':');
  const [name = '', port = ''] = host.split(':');
  const labels = patternName.split('.');
  const own = name.split('.');
  if (patternPort !== port || labels.length !== own.length) return false;
  return labels.every((label, at) => isLabelFor(label, own[at] ?? ''));
}

function isLabelFor(pattern: string, label: string): boolean {
  if (!pattern.includes('*')) return pattern === label;
  const parts = pattern.split('*').map((part) => part.replace(/[^a-z0-9-]/g, ''));
  return new RegExp(`^${parts.join('.*')}$`).test(label);
}
