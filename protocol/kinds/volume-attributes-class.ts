import type { VolumeAttributesClass } from '../generated/models.ts';
import { forbidden, invalidFor, required, sameValue } from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

export const volumeAttributesClassKind = defineKind<VolumeAttributesClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'VolumeAttributesClass',
  plural: 'volumeattributesclasses',
  singular: 'volumeattributesclass',
  shortNames: ['vac'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.VolumeAttributesClass',
  verbs: allVerbs,
  subresources: [],
  columns: [
    nameColumn,
    textColumn('DriverName', 'The driver that knows its parameters.', ({ driverName }) => driverName ?? ''),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  validate: (object) => {
    const { driverName, parameters = {} } = object;
    return [
      ...validateObjectMeta(object, dnsSubdomain),
      ...(driverName
        ? invalidFor('driverName', driverName, qualifiedName(driverName.toLowerCase()))
        : [required('driverName')]),
      ...(Object.keys(parameters).length > 0
        ? []
        : [required('parameters', 'must contain at least one key/value pair')]),
    ];
  },
  validateUpdate: (next, old) =>
    (['driverName', 'parameters'] as const)
      .filter((field) => !sameValue(next[field], old[field]))
      .map((field) => forbidden(field, `updates to ${field} are forbidden.`)),
});
