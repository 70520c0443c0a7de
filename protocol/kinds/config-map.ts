import type { ConfigMap } from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { invalid, invalidFor, sameValue, tooLong } from './cause.ts';
import { ageColumn, nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { configKey, dnsSubdomain } from './name-rules.ts';
import { validateFrozen, validateObjectMeta } from './object-meta.ts';

const contentBytesMax = 1024 * 1024;

export const configMapKind = defineKind<ConfigMap>({
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  singular: 'configmap',
  shortNames: ['cm'],
  categories: [],
  namespaced: true,
  schema: 'io.k8s.api.core.v1.ConfigMap',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    {
      name: 'Data',
      type: 'string',
      description: 'How many keys it holds.',
      value: ({ data, binaryData }) => Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length,
    },
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  validate: (map) => [...validateObjectMeta(map, dnsSubdomain), ...validateContent(map)],
  validateUpdate: (next, old) =>
    validateFrozen(
      next,
      old,
      (['data', 'binaryData'] as const).filter((field) => !sameValue(next[field], old[field])),
    ),
});

function validateContent({ data = {}, binaryData = {} }: ConfigMap): StatusCause[] {
  const causes: StatusCause[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    causes.push(...invalidFor(`data[${key}]`, key, configKey(key)));
    if (Object.hasOwn(binaryData, key)) {
      causes.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    }
    bytes += Buffer.byteLength(value);
  }
  for (const [key, value] of Object.entries(binaryData)) {
    causes.push(...invalidFor(`binaryData[${key}]`, key, configKey(key)));
    bytes += Buffer.byteLength(value, 'base64');
  }
  if (bytes > contentBytesMax) causes.push(tooLong('', contentBytesMax));
  return causes;
}
