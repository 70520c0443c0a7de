import type {
  StorageClass,
  TopologySelectorLabelRequirement,
  TopologySelectorTerm,
} from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import {
  duplicate,
  forbidden,
  immutable,
  invalid,
  invalidFor,
  oneOf,
  required,
  sameValue,
  tooLong,
} from './cause.ts';
import { ageColumn, nameColumn, textColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dnsSubdomain, qualifiedName } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';

const defaultAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];
const parametersBytesMax = 256 * 1024;
const parametersMax = 512;

export const storageClassKind = defineKind<StorageClass>({
  group: 'storage.k8s.io',
  version: 'v1',
  kind: 'StorageClass',
  plural: 'storageclasses',
  singular: 'storageclass',
  shortNames: ['sc'],
  categories: [],
  namespaced: false,
  schema: 'io.k8s.api.storage.v1.StorageClass',
  verbs: allVerbs,
  subresources: [],
  columns: [
    {
      ...nameColumn,
      value: ({ metadata }) =>
        `${metadata?.name ?? ''}${isDefault(metadata?.annotations) ? ' (default)' : ''}`,
    },
    textColumn('Provisioner', 'Who makes its volumes.', ({ provisioner }) => provisioner ?? ''),
    textColumn(
      'ReclaimPolicy',
      'What becomes of a volume whose claim is gone.',
      ({ reclaimPolicy }) => reclaimPolicy ?? 'Delete',
    ),
    textColumn(
      'VolumeBindingMode',
      'When a claim gets its volume.',
      ({ volumeBindingMode }) => volumeBindingMode ?? '<unset>',
    ),
    textColumn('AllowVolumeExpansion', 'Whether its volumes can grow.', ({ allowVolumeExpansion }) =>
      String(allowVolumeExpansion ?? false),
    ),
    ageColumn,
  ],
  selectableFields: {},
  generationOf: false,

  applyDefaults(object) {
    object.reclaimPolicy ??= 'Delete';
    object.volumeBindingMode ??= 'Immediate';
  },
  validate: (object) => [
    ...validateObjectMeta(object, dnsSubdomain),
    ...validateProvisioner(object.provisioner),
    ...validateParameters(object.parameters),
    ...oneOf('reclaimPolicy', object.reclaimPolicy, ['Delete', 'Retain']),
    ...oneOf('volumeBindingMode', object.volumeBindingMode, ['Immediate', 'WaitForFirstConsumer']),
    ...validateTopologies(object.allowedTopologies),
  ],
  validateUpdate: (next, old) => [
    ...(['parameters', 'provisioner', 'reclaimPolicy'] as const)
      .filter((field) => !sameValue(next[field], old[field]))
      .map((field) => forbidden(field, `updates to ${field} are forbidden.`)),
    ...immutable('volumeBindingMode', next.volumeBindingMode, old.volumeBindingMode),
  ],
});

function isDefault(annotations: Record<string, string> = {}): boolean {
  return defaultAnnotations.some((name) => annotations[name] === 'true');
}

function validateProvisioner(provisioner: string | undefined): StatusCause[] {
  if (!provisioner) return [required('provisioner')];
  return invalidFor('provisioner', provisioner, qualifiedName(provisioner.toLowerCase()));
}

function validateParameters(parameters: Record<string, string> = {}): StatusCause[] {
  const bytes = Object.entries(parameters).reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  const keys = Object.keys(parameters);
  if (keys.length > parametersMax) return [tooLong('parameters', parametersMax)];
  const causes = keys.includes('') ? [invalid('parameters', '', 'field can not be empty.')] : [];
  return bytes > parametersBytesMax ? [...causes, tooLong('parameters', parametersBytesMax)] : causes;
}

function validateTopologies(terms: readonly TopologySelectorTerm[] = []): StatusCause[] {
  return terms.flatMap(({ matchLabelExpressions = [] }, index) => {
    const path = `allowedTopologies[${index}].matchLabelExpressions`;
    const keys = matchLabelExpressions.map(({ key }) => key);
    return matchLabelExpressions.flatMap((expression: Partial<TopologySelectorLabelRequirement>, at) => {
      const { key = '', values = [] } = expression;
      const field = `${path}[${at}]`;
      const causes = keys.indexOf(key) < at ? [duplicate(`${field}.key`, key)] : [];
      if (values.length === 0) causes.push(required(`${field}.values`));
      values.forEach((value, order) => {
        if (values.indexOf(value) < order) causes.push(duplicate(`${field}.values[${order}]`, value));
      });
      return [...causes, ...invalidFor(`${field}.key`, key, qualifiedName(key))];
    });
  });
}
