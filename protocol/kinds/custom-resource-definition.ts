import { validateSchemaRules } from '../cel/schema-rules.ts';
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresourceScale,
} from '../generated/models.ts';
import type { StatusCause } from '../status.ts';
import { compileJsonPath, JsonPathError, simplePath } from '../structural/json-path.ts';
import { validateStructure } from '../structural/structural-rules.ts';
import type { StructuralSchema } from '../structural/structural-schema.ts';
import { reviewVersions, validateClient } from './admission/webhooks.ts';
import { forbidden, immutable, invalid, invalidFor, oneOf, required } from './cause.ts';
import { nameColumn } from './columns.ts';
import { allVerbs, defineKind } from './define-kind.ts';
import { dns1035Label, dnsSubdomain } from './name-rules.ts';
import { validateObjectMeta } from './object-meta.ts';
import { separateStatus } from './object-parts.ts';

/** Holds a definition until its objects are gone. */
export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

const approvalAnnotation = 'api-approved.kubernetes.io';
const selectableFieldsMax = 8;

/** A definition by which the API learns a new kind. What it makes of it: server/extensions. */
export const customResourceDefinitionKind = defineKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  singular: 'customresourcedefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  namespaced: false,
  schema: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  verbs: allVerbs,
  subresources: ['status'],
  columns: [
    nameColumn,
    {
      name: 'Created At',
      type: 'date',
      description: 'When the definition was created.',
      value: ({ metadata }) => metadata?.creationTimestamp ?? '',
    },
  ],
  selectableFields: {},

  applyDefaults(definition) {
    const spec = withRequired(definition);
    const { names } = spec;
    names.singular ||= names.kind.toLowerCase();
    if (names.kind !== '') names.listKind ||= `${names.kind}List`;
    spec.conversion ??= { strategy: 'None' };
    const { service } = spec.conversion.webhook?.clientConfig ?? {};
    if (service) service.port ??= 443;
  },
  prepareCreate(definition) {
    holdUntilCleaned(definition);
    definition.status = {
      conditions: [],
      acceptedNames: { plural: '', kind: '' },
      storedVersions: storageVersions(definition.spec),
    };
  },
  prepareUpdate(next, old, context) {
    separateStatus(next, old, context);
    if (old.metadata?.deletionTimestamp === undefined) holdUntilCleaned(next);
    if (context.subresource === 'status') return;
    const stored = next.status?.storedVersions ?? [];
    const added = storageVersions(next.spec).filter((name) => !stored.includes(name));
    if (added.length > 0) next.status = { ...next.status, storedVersions: [...stored, ...added] };
  },
  validate: (definition) => [
    ...validateObjectMeta(definition, dnsSubdomain, { anyFinalizer: true }),
    ...validateName(definition),
    ...validateApproval(definition),
    ...validateSpec(definition.spec),
  ],
  validateUpdate: (next, old) => [
    ...(isEstablished(old)
      ? [
          ...immutable('spec.scope', next.spec.scope, old.spec?.scope),
          ...immutable('spec.names.kind', next.spec.names.kind, old.spec?.names?.kind),
        ]
      : []),
    ...immutable('spec.group', next.spec.group, old.spec?.group),
    ...immutable('spec.names.plural', next.spec.names.plural, old.spec?.names?.plural),
    ...validateStoredVersions(next),
  ],
});

/** Fills in what every definition must say, in place, so that what is missing is refused as empty. */
function withRequired(definition: CustomResourceDefinition): CustomResourceDefinitionSpec {
  const { names, versions = [], ...spec } = (definition.spec ?? {}) as Partial<CustomResourceDefinitionSpec>;
  return (definition.spec = {
    group: '',
    scope: '',
    ...spec,
    names: { plural: '', kind: '', ...names },
    versions: versions.map((version) => ({ ...noVersion, ...version })),
  });
}

const noVersion = { name: '', served: false, storage: false };

/** Whether the kind of the definition is served. */
export function isEstablished({ status }: Readonly<CustomResourceDefinition>): boolean {
  return (
    status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') ?? false
  );
}

/** The schema of a version. */
export function schemaOfVersion({ schema }: CustomResourceDefinitionVersion): StructuralSchema {
  return (schema?.openAPIV3Schema ?? {}) as StructuralSchema;
}

function holdUntilCleaned({ metadata }: CustomResourceDefinition): void {
  const finalizers = metadata?.finalizers ?? [];
  if (metadata && !finalizers.includes(cleanupFinalizer))
    metadata.finalizers = [...finalizers, cleanupFinalizer];
}

function storageVersions({ versions }: CustomResourceDefinitionSpec): string[] {
  return versions.filter(({ storage }) => storage).map(({ name }) => name);
}

function validateName({ metadata, spec }: CustomResourceDefinition): StatusCause[] {
  const wanted = `${spec.names.plural}.${spec.group}`;
  if (metadata?.name === wanted) return [];
  return [invalid('metadata.name', metadata?.name, 'must be spec.names.plural+"."+spec.group')];
}

/** Groups of the Kubernetes project are theirs; what uses them says where that was agreed. */
function validateApproval({ metadata, spec }: CustomResourceDefinition): StatusCause[] {
  const isProtected = /(^|\.)(k8s|kubernetes)\.io$/.test(spec.group);
  const approval = metadata?.annotations?.[approvalAnnotation] ?? '';
  if (!isProtected || approval.startsWith('unapproved') || URL.canParse(approval)) return [];
  const field = `metadata.annotations[${approvalAnnotation}]`;
  const why = `protected groups must have approval annotation "${approvalAnnotation}", see https://github.com/kubernetes/enhancements/pull/1111`;
  return [approval === '' ? required(field, why) : invalid(field, approval, why)];
}

function validateSpec(spec: CustomResourceDefinitionSpec): StatusCause[] {
  const { group, scope, versions, conversion, preserveUnknownFields } = spec;
  const causes =
    group === '' ? [required('spec.group')] : invalidFor('spec.group', group, dnsSubdomain(group));
  if (group !== '' && !group.includes('.'))
    causes.push(invalid('spec.group', group, 'should be a domain with at least one dot'));
  causes.push(...oneOf('spec.scope', scope, ['Cluster', 'Namespaced']));
  if (preserveUnknownFields === true)
    causes.push(
      invalid('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'),
    );
  if (conversion) causes.push(...validateConversion(conversion));
  return [...causes, ...validateNames(spec.names), ...validateVersions(versions)];
}

/** The fields as Kubernetes names them here, which is not how they are written. */
function validateConversion({ strategy, webhook }: CustomResourceConversion): StatusCause[] {
  const path = 'spec.conversion';
  const causes = oneOf(`${path}.strategy`, strategy, ['None', 'Webhook']);
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    if (webhook?.clientConfig) causes.push(forbidden(`${path}.webhookClientConfig`, why));
    if (webhook?.conversionReviewVersions?.length)
      causes.push(forbidden(`${path}.conversionReviewVersions`, why));
    return causes;
  }
  const { clientConfig, conversionReviewVersions: versions = [] } = webhook ?? {};
  causes.push(
    ...(clientConfig
      ? validateClient(clientConfig, `${path}.webhookClientConfig`)
      : [required(`${path}.webhookClientConfig`, 'required when strategy is set to Webhook')]),
  );
  if (versions.length === 0) causes.push(required(`${path}.conversionReviewVersions`));
  else if (!versions.some((version) => reviewVersions.includes(version)))
    causes.push(
      invalid(
        `${path}.conversionReviewVersions`,
        versions,
        `must include at least one of ${reviewVersions.join(', ')}`,
      ),
    );
  return causes;
}

function validateNames(names: CustomResourceDefinitionNames): StatusCause[] {
  const { plural, singular = '', kind, listKind = '', shortNames = [], categories = [] } = names;
  const label = (field: string, value: string) =>
    value === ''
      ? [required(`spec.names.${field}`)]
      : invalidFor(`spec.names.${field}`, value, dns1035Label(value));
  const spelt = (field: string, value: string) =>
    value === ''
      ? [required(`spec.names.${field}`)]
      : dns1035Label(value.toLowerCase()).map((fault) =>
          invalid(`spec.names.${field}`, value, `may have mixed case, but should otherwise match: ${fault}`),
        );
  return [
    ...label('plural', plural),
    ...label('singular', singular),
    ...spelt('kind', kind),
    ...spelt('listKind', listKind),
    ...shortNames.flatMap((name, index) => label(`shortNames[${index}]`, name)),
    ...categories.flatMap((name, index) => label(`categories[${index}]`, name)),
    ...(kind !== '' && kind === listKind
      ? [invalid('spec.names.listKind', listKind, 'kind and listKind may not be the same')]
      : []),
  ];
}

function validateVersions(versions: readonly CustomResourceDefinitionVersion[]): StatusCause[] {
  const causes = versions.flatMap((version, index) => validateVersion(version, `spec.versions[${index}]`));
  if (new Set(versions.map(({ name }) => name)).size < versions.length)
    causes.push(
      invalid(
        'spec.versions',
        versions.map(({ name }) => name),
        'must contain unique version names',
      ),
    );
  if (versions.filter(({ storage }) => storage).length !== 1)
    causes.push(
      invalid(
        'spec.versions',
        versions.map(({ name }) => name),
        'must have exactly one version marked as storage version',
      ),
    );
  return causes;
}

function validateVersion(version: CustomResourceDefinitionVersion, path: string): StatusCause[] {
  const { name, subresources, additionalPrinterColumns = [], selectableFields = [] } = version;
  const causes = invalidFor(`${path}.name`, name, dns1035Label(name));
  if (version.schema?.openAPIV3Schema === undefined)
    causes.push(required(`${path}.schema.openAPIV3Schema`, 'schemas are required'));
  else causes.push(...validateVersionSchema(schemaOfVersion(version), `${path}.schema.openAPIV3Schema`));
  if (subresources?.scale) causes.push(...validateScale(subresources.scale, `${path}.subresources.scale`));
  causes.push(
    ...additionalPrinterColumns.flatMap((column, index) =>
      validateColumn(column, `${path}.additionalPrinterColumns[${index}]`),
    ),
  );
  if (selectableFields.length > selectableFieldsMax)
    causes.push({
      reason: 'FieldValueTooMany',
      field: `${path}.selectableFields`,
      message: `Too many: ${selectableFields.length}: must have at most ${selectableFieldsMax} items`,
    });
  selectableFields.forEach(({ jsonPath }, index) => {
    if (simplePath(jsonPath) === undefined)
      causes.push(invalid(`${path}.selectableFields[${index}].jsonPath`, jsonPath, 'is an invalid path'));
  });
  return causes;
}

/** Rules are only looked at in a schema whose shape is sound. */
function validateVersionSchema(schema: StructuralSchema, path: string): StatusCause[] {
  const causes = validateStructure(schema, path);
  return causes.length > 0 ? causes : validateSchemaRules(schema, path);
}

function validateScale(scale: CustomResourceSubresourceScale, path: string): StatusCause[] {
  const { specReplicasPath, statusReplicasPath, labelSelectorPath } = scale;
  return [
    ...validateScalePath(`${path}.specReplicasPath`, specReplicasPath, ['.spec.']),
    ...validateScalePath(`${path}.statusReplicasPath`, statusReplicasPath, ['.status.']),
    ...(labelSelectorPath
      ? validateScalePath(`${path}.labelSelectorPath`, labelSelectorPath, ['.spec.', '.status.'])
      : []),
  ];
}

function validateScalePath(field: string, text: string, roots: readonly string[]): StatusCause[] {
  if (!text) return [required(field)];
  if (simplePath(text) === undefined) return [invalid(field, text, 'is an invalid path')];
  if (roots.some((root) => text.startsWith(root))) return [];
  return [
    invalid(field, text, `should be a json path under ${roots.join(' or ').replaceAll(/\.(?=\s|$)/g, '')}`),
  ];
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string'];

function validateColumn(column: Partial<CustomResourceColumnDefinition>, path: string): StatusCause[] {
  const { name = '', type = '', jsonPath = '' } = column;
  const causes = name === '' ? [required(`${path}.name`)] : [];
  causes.push(...oneOf(`${path}.type`, type, columnTypes));
  if (jsonPath === '') return [...causes, required(`${path}.jsonPath`)];
  try {
    if (!jsonPath.startsWith('.')) throw new JsonPathError('must start with a dot');
    compileJsonPath(jsonPath);
    return causes;
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return [...causes, invalid(`${path}.jsonPath`, jsonPath, `is an invalid path: ${words}`)];
  }
}

function validateStoredVersions({ spec, status }: CustomResourceDefinition): StatusCause[] {
  const names = spec.versions.map(({ name }) => name);
  return (status?.storedVersions ?? []).flatMap((name, index) =>
    names.includes(name)
      ? []
      : [
          invalid(
            `status.storedVersions[${index}]`,
            name,
            `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`,
          ),
        ],
  );
}
