import type { Random } from '../../../../lib/random.ts';
import { apiVersionOf, type KindDefinition } from '../../../../protocol/kinds/define-kind.ts';
import { sampleName, sampleOf } from '../../../support/kind-samples.ts';

/** Requests as no client would send them, though each is near to a good one: what a fuzzer of HTTP makes of an API. */
export interface RandomRequest {
  method: string;
  path: string;
  contentType: string;
  body: string | Buffer | undefined;
  headers: Record<string, string>;
}

const methods = [
  'GET',
  'GET',
  'POST',
  'POST',
  'POST',
  'PUT',
  'PUT',
  'PATCH',
  'PATCH',
  'PATCH',
  'DELETE',
  'OPTIONS',
];
const patchTypes = [
  'application/strategic-merge-patch+json',
  'application/merge-patch+json',
  'application/json-patch+json',
  'application/apply-patch+yaml',
];
const bodyTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf', ''];
const accepts = [
  'application/json',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  'application/vnd.kubernetes.protobuf, application/json',
  '*/*;q=0.1',
  'text/html',
  ';;;',
];
const subresources = [
  '',
  '',
  '',
  '',
  'status',
  'scale',
  'binding',
  'eviction',
  'token',
  'finalize',
  'nothing',
  '..',
  '%2e',
];
/** What is put where something else was. */
const oddValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  2 ** 53,
  1e308,
  '',
  ' ',
  '0',
  'ß',
  '\u0000',
  '\ud800',
  'x'.repeat(300),
  'A_B',
  '1Gi',
  '-5m',
  '99999999999Ei',
  '2024-13-45T99:00:00Z',
  [],
  [null],
  [[]],
  {},
  { '': '' },
  { constructor: 1 },
  { a: { b: {} } },
];
const oddNames = [
  'web',
  'web',
  'other',
  '',
  '-',
  'UPPER',
  'a'.repeat(254),
  '%00',
  '%zz',
  'a%2fb',
  '..',
  'ü',
  'x?y',
  '*',
];
const queries = [
  '',
  '',
  '',
  'dryRun=All',
  'dryRun=None',
  'dryRun=x',
  'fieldManager=me&force=true',
  'fieldManager=' + 'm'.repeat(200),
  'fieldValidation=Strict',
  'fieldValidation=Ignore',
  'fieldValidation=odd',
  'limit=1',
  'limit=-1',
  'limit=x&continue=y',
  'continue=eyJ2IjoxfQ',
  'resourceVersion=0',
  'resourceVersion=999999999999',
  'resourceVersion=x&resourceVersionMatch=Exact',
  'labelSelector=a%3Db',
  'labelSelector=%21%21',
  'fieldSelector=metadata.name%3Dweb',
  'fieldSelector=nope%3D1',
  'propagationPolicy=Orphan',
  'gracePeriodSeconds=0',
  'gracePeriodSeconds=-1',
  'watch=1&timeoutSeconds=1&resourceVersion=x',
  'sendInitialEvents=true',
  'pretty=true',
  '%',
  '=&=&&',
  'limit=1&limit=2',
];

export function randomRequest(random: Random, kinds: readonly KindDefinition[]): RandomRequest {
  const kind = pick(random, kinds);
  const method = pick(random, methods);
  const sample = { apiVersion: apiVersionOf(kind), kind: kind.kind, ...sampleOf(kind) } as Record<
    string,
    unknown
  >;
  const name = chance(random, 0.5) ? sampleName(kind) : `${sampleName(kind)}${below(random, 100)}`;
  sample['metadata'] = { ...(sample['metadata'] as object | undefined), name };
  const damaged = damage(random, structuredClone(sample));
  const named = method !== 'POST' || chance(random, 0.1);
  const path = randomPath(
    random,
    kind,
    named ? (chance(random, 0.8) ? name : pick(random, oddNames)) : undefined,
  );
  const query = pick(random, queries);
  const contentType =
    method === 'PATCH'
      ? pick(random, patchTypes)
      : chance(random, 0.85)
        ? 'application/json'
        : pick(random, bodyTypes);
  const headers: Record<string, string> = chance(random, 0.3) ? { Accept: pick(random, accepts) } : {};
  if (chance(random, 0.03))
    headers['Impersonate-User'] = pick(random, ['anna', '', 'system:serviceaccount:a']);
  return {
    method,
    path: query === '' ? path : `${path}?${query}`,
    contentType,
    body: ['GET', 'OPTIONS'].includes(method) ? undefined : randomBody(random, contentType, damaged),
    headers,
  };
}

function randomPath(random: Random, kind: KindDefinition, name: string | undefined): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const namespaced = chance(random, 0.95) ? kind.namespaced : !kind.namespaced;
  const namespace = chance(random, 0.9) ? 'default' : pick(random, oddNames);
  const parts = [root, ...(namespaced ? ['namespaces', namespace] : []), kind.plural];
  if (name !== undefined) parts.push(name);
  const subresource = pick(random, subresources);
  if (subresource !== '' && name !== undefined) parts.push(subresource);
  const path = encodeOdd(parts.join('/'));
  return chance(random, 0.03)
    ? pick(random, [`/${path}`, `${path}/`, path.replace('/', '//'), path.slice(0, -2)])
    : path;
}

/** What Node's client refuses to send is sent as bytes of UTF-8. */
function encodeOdd(path: string): string {
  return path.replace(/[^\u0021-\u007e]/g, (character) => encodeURIComponent(character));
}

function randomBody(random: Random, contentType: string, object: unknown): string | Buffer {
  if (contentType === 'application/json-patch+json' && chance(random, 0.8)) {
    return JSON.stringify(Array.from({ length: below(random, 4) }, () => randomOperation(random, object)));
  }
  const text = JSON.stringify(object) ?? '';
  if (chance(random, 0.9)) return text;
  const bytes = Buffer.from(text);
  if (chance(random, 0.5)) return bytes.subarray(0, below(random, bytes.length + 1));
  for (let count = below(random, 8); count >= 0; count -= 1)
    bytes[below(random, bytes.length)] = below(random, 256);
  return bytes;
}

function randomOperation(random: Random, object: unknown): object {
  const places = placesOf(object);
  const path = () =>
    `/${pick(random, places)
      .path.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))
      .join('/')}`;
  return {
    op: pick(random, ['add', 'remove', 'replace', 'move', 'copy', 'test', 'odd']),
    path: chance(random, 0.9) ? path() : pick(random, oddValues),
    from: path(),
    value: pick(random, oddValues),
  };
}

/** Up to three places of the object hold something else, are gone or come twice. */
function damage(random: Random, object: Record<string, unknown>): unknown {
  for (let count = below(random, 4); count > 0; count -= 1) {
    const places = placesOf(object).filter(({ path }) => path.length > 0);
    const place = pick(random, places);
    const holder = place.holder as Record<string, unknown>;
    const key = place.path.at(-1) ?? '';
    const action = below(random, 5);
    if (action === 0) delete holder[key];
    else if (action === 1) holder[pick(random, [`${key}x`, 'constructor', 'toString', ''])] = holder[key];
    else if (action === 2 && Array.isArray(holder[key]))
      holder[key] = [...(holder[key] as []), ...(holder[key] as [])];
    else holder[key] = structuredClone(pick(random, oddValues));
  }
  return chance(random, 0.02) ? pick(random, oddValues) : object;
}

function placesOf(
  value: unknown,
  path: string[] = [],
  holder?: object,
): { path: string[]; holder?: object }[] {
  const here = { path, ...(holder ? { holder } : {}) };
  if (typeof value !== 'object' || value === null) return [here];
  return [here, ...Object.entries(value).flatMap(([key, child]) => placesOf(child, [...path, key], value))];
}

function below(random: Random, end: number): number {
  return Math.floor(random.fraction() * end);
}

function chance(random: Random, likelihood: number): boolean {
  return random.fraction() < likelihood;
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[below(random, from.length)] as T;
}
