import type { Secret } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { immutable, invalid, invalidFor, required, sameValue, tooLong } from './cause.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { configKey, dnsSubdomain } from './name-rules.ts';
import { validateFrozen, validateObjectMeta } from './object-meta.ts';

const contentBytesMax = 1024 * 1024;
const serviceAccountName = 'kubernetes.io/service-account.name';

/** Keys that a typed secret must hold. */
const keysOfType: Record<string, readonly string[]> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

export const secretKind = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  singular: 'secret',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.Secret',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    {
      name: 'Type',
      type: 'string',
      description: 'What the secret is for, and so which keys it holds.',
      value: ({ type }) => type ?? '',
    },
    {
      name: 'Data',
      type: 'string',
      description: 'How many keys it holds.',
      value: ({ data }) => Object.keys(data ?? {}).length,
    },
    ageColumn,
  ],
  selectableFields: { type: ({ type }) => type ?? '' },
  generationOf: false,

  applyDefaults(secret) {
    secret.type ||= 'Opaque';
    if (!secret.stringData) return;
    const written = Object.entries(secret.stringData).map(
      ([key, value]) => [key, Buffer.from(value).toString('base64')] as const,
    );
    secret.data = { ...secret.data, ...Object.fromEntries(written) };
    delete secret.stringData;
  },
  validate: (secret) => [
    ...validateObjectMeta(secret, dnsSubdomain),
    ...validateContent(secret),
    ...validateType(secret),
  ],
  validateUpdate: (next, old) => [
    ...immutable('type', next.type, old.type),
    ...validateFrozen(next, old, sameValue(next.data, old.data) ? [] : ['data']),
  ],
});

function validateContent({ data = {} }: Secret): StatusCause[] {
  const causes = Object.keys(data).flatMap((key) => invalidFor(`data[${key}]`, key, configKey(key)));
  const bytes = Object.values(data).reduce((sum, value) => sum + Buffer.byteLength(value, 'base64'), 0);
  return bytes > contentBytesMax ? [...causes, tooLong('data', contentBytesMax)] : causes;
}

function validateType({ type = '', data = {}, metadata }: Secret): StatusCause[] {
  if (type === 'kubernetes.io/service-account-token') {
    const account = metadata?.annotations?.[serviceAccountName];
    return account ? [] : [required(`metadata.annotations[${serviceAccountName}]`)];
  }
  if (type === 'kubernetes.io/basic-auth') {
    const given = data['username'] !== undefined || data['password'] !== undefined;
    return given ? [] : [required('data[username]'), required('data[password]')];
  }
  const keys = Object.hasOwn(keysOfType, type) ? (keysOfType[type] ?? []) : [];
  return keys.flatMap((key) => {
    const value = data[key];
    if (value === undefined || (key === 'ssh-privatekey' && value === '')) return [required(`data[${key}]`)];
    return type.startsWith('kubernetes.io/docker') ? validateJson(value, `data[${key}]`) : [];
  });
}

/** That it is a JSON object; the content itself must not show up in messages and logs. */
function validateJson(base64: string, field: string): StatusCause[] {
  const text = Buffer.from(base64, 'base64').toString().trim();
  const fault = jsonFault(text);
  return fault === undefined ? [] : [invalid(field, '<secret contents redacted>', fault)];
}

/** In the words of Go's parser as far as they tell nothing of the content. */
function jsonFault(text: string): string | undefined {
  if (text === '') return 'unexpected end of JSON input';
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && !Array.isArray(value)) return undefined;
    const type = Array.isArray(value) ? 'array' : typeof value;
    const goType = type === 'boolean' ? 'bool' : type;
    return `json: cannot unmarshal ${goType} into Go value of type map[string]interface {}`;
  } catch {
    return 'must be JSON';
  }
}
